#!/bin/sh
# make install: everything lands where it is looked for, and the installed program works from anywhere.
. tests/support/cli.sh

# With the prefix it was built for: another one would build it anew, under the other tests. The blank in the folder's name parts
# no word, least of all one that uninstall would take for a folder to remove.
root="$folder/my root"
mkdir "$folder/my"
check "install" make --no-print-directory -s install DESTDIR="$root"
installed=$(find "$root" -path '*/bin/rmfer')
prefix=${installed%/bin/rmfer}
for file in bin/rmfer share/man/man1/rmfer.1 share/rmfer/ferplus-b0.safetensors share/rmfer/configs/ferplus.ini \
    share/bash-completion/completions/rmfer; do
    check "$file is installed" test -s "$prefix/$file"
done
check "faces to judge" "$RMFER" synth "$folder/faces" --faces 64 --size 32 --mashups 0
cd "$folder" || exit 1
run env -u RMFER_MODEL HOME="$folder" "$installed" predict "$(find faces/folder/test -name '*.jpg' | sort | head -n 1)"
if [ $code -eq 0 ] && grep -q "model: .*share/rmfer/ferplus-b0.safetensors" err; then pass; else fail "predict as installed: exit $code"; fi
cd "$OLDPWD" || exit 1
if command -v bash >/dev/null 2>&1; then
    cat >"$folder/complete" <<'END'
. scripts/rmfer.bash
complete_word() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rmfer; echo "${COMPREPLY[*]}"; }
complete_word "$1" pre; complete_word "$1" export --ha; complete_word "$1" config ferplus-s
END
    run bash "$folder/complete" "$installed"
    if [ "$(cat "$folder/out")" = "predict
--half
ferplus-scratch" ]; then pass; else fail "completion"; fi
else
    skip "completion: no bash"
fi
check "uninstall" make --no-print-directory -s uninstall DESTDIR="$root"
if [ -z "$(find "$root" -type f)" ]; then pass; else fail "uninstall leaves files"; fi
check "uninstall leaves a folder of half the name" test -d "$folder/my"

finish
