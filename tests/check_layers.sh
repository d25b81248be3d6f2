#!/bin/sh
# The house rules that a compiler does not check: includes go only downward, a room's private headers (src/ROOM/*.h) are
# its own, every header compiles alone, and inside a room no files stand in a circle.
# Floors: a room may include itself, rooms of lower floors, and nothing else. Usage: check_layers.sh [BUILT], for
# check_circles.sh.
set -u
floor() {
    case $1 in
    base) echo 0 ;; config) echo 1 ;; kern | data) echo 2 ;; ops) echo 3 ;; nn) echo 4 ;; ckpt | dist) echo 5 ;;
    method | faces) echo 6 ;; train | rmset | plot | synth) echo 7 ;; cmd) echo 8 ;; *) echo "unknown" ;;
    esac
}
bad=0
for file in src/*/*.[ch] include/rmfer/*/*.h; do
    [ -e "$file" ] || continue
    room=$(basename "$(dirname "$file")")
    own=$(floor "$room")
    if [ "$own" = unknown ]; then echo "$file: the room '$room' has no floor"; bad=1; continue; fi
    for other in $(sed -n 's/^#include "\(rmfer\/\)\{0,1\}\([a-z]*\)\/.*/\2/p' "$file" | sort -u); do
        [ "$other" = "$room" ] && continue
        level=$(floor "$other")
        if [ "$level" = unknown ] || [ "$level" -ge "$own" ]; then echo "$file: may not include $other/"; bad=1; fi
        # A batch is pixels, labels and ids; the kernels see nothing but mathematics.
        if [ "$room" = kern ] && [ "$other" != base ]; then echo "$file: kern sees only base"; bad=1; fi
    done
    # What is not under rmfer/ is private: "ROOM/x.h" must be of the file's own room, "x.h" lies beside it.
    for private in $(sed -n 's/^#include "\([^"]*\)".*/\1/p' "$file" | grep -v '^rmfer/'); do
        case $private in
        "$room"/*) [ -e "src/$private" ] && [ "${file#src/}" != "$file" ] && continue ;;
        */*) ;;
        *) [ -e "src/$room/$private" ] && [ "${file#src/}" != "$file" ] && continue ;;
        esac
        echo "$file: may not include $private, a private header"
        bad=1
    done
done
for header in include/rmfer/*/*.h src/*/*.h; do
    [ -e "$header" ] || continue
    grep -q '^#include <lib' "$header" && continue # needs a library that may be absent
    name=${header#include/}
    echo "#include \"${name#src/}\"" |
        ${CC:-cc} -std=c11 -D_POSIX_C_SOURCE=200809L -Iinclude -Isrc -fopenmp -fsyntax-only -x c - || { echo "$header: does not compile alone"; bad=1; }
done
[ $bad -eq 0 ] && echo "layers: includes go downward, private headers stay private, headers compile alone"
sh tests/check_circles.sh "${1:-build/release}" || bad=1
sh tests/check_docs.sh || bad=1
exit $bad
