#!/bin/sh
# The Makefile on a program of three files: what was built with other flags, or before a library was installed, is built anew, and
# nothing else is.
. tests/support/cli.sh
if ! make --version 2>/dev/null | grep -q '^GNU Make'; then
    skip "building, without GNU make"
    finish
    exit
fi
tree=$folder/tree
mkdir -p "$tree/scripts" "$tree/configs" "$tree/src/config" "$tree/src/cmd" "$tree/src/dist"
cp Makefile "$tree"
cp scripts/embed_presets.sh "$tree/scripts"
cp configs/quickstart.ini "$tree/configs"
cp src/config/presets.h "$tree/src/config"
cd "$tree" || exit 1
cat >src/main.c <<'C'
#include <stdio.h>
extern const char prefix[];
int main(void)
{
#ifdef RMFER_HAVE_CAIRO
    puts("cairo");
#endif
#ifdef CHOSEN
    puts("chosen");
#endif
    puts(prefix);
    return 0;
}
C
echo 'extern const char prefix[]; const char prefix[] = RMFER_PREFIX;' >src/cmd/lookup.c
echo 'extern int transports; int transports = 1;' >src/dist/transport_single.c
echo 'extern int transports; int transports = 2;' >src/dist/transport_mpi.c
# Every library that is needed is here; of the others cairo, once it is installed.
cat >pkg-config <<'SH'
#!/bin/sh
[ "$1 $2" != "--libs ompi-c" ] || echo "-l$(cat "${0%/*}/mpi-is" 2>/dev/null || echo m)"
[ "$1" = --exists ] || exit 0
case $2 in
cairo) [ -e "${0%/*}/cairo-is-here" ] ;;
libtiff* | libgif* | libwebp* | libav* | libsw*) exit 1 ;;
esac
SH
chmod +x pkg-config

# alone OPTION...: without what the make that runs these tests was given.
alone() {
    run env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u V -u SAN -u MPI -u HARDEN -u PREFIX -u BUILD -u CFLAGS \
        make --no-print-directory PKG_CONFIG="$PWD/pkg-config" "$@"
}
build() { alone rmfer "$@"; }
compiled() { grep -c '^  CC' "$folder/out"; }
# builds WHAT COUNT OPTION...: so many files are compiled.
builds() {
    what=$1 wanted=$2
    shift 2
    if build "$@" && [ "$(compiled)" -eq "$wanted" ]; then pass; else fail "$what: exit $code, $(compiled) files, not $wanted"; fi
}
builds "all of it" 4
builds "once more" 0
holds "and links nothing" [ "$(grep -c LINK "$folder/out")" -eq 0 ]
[ "$(./rmfer)" = /usr/local ] && pass || fail "the prefix is told"
: >cairo-is-here
builds "after a library was installed" 4
[ "$(./rmfer | head -n 1)" = cairo ] && pass || fail "the program has it"
builds "other flags" 4 CFLAGS=-DCHOSEN
[ "$(./rmfer | sed -n 2p)" = chosen ] && pass || fail "the program has them"
builds "the same again" 0 CFLAGS=-DCHOSEN
builds "without hardening" 4 HARDEN= CFLAGS=-DCHOSEN
builds "another prefix: the file that knows it" 1 HARDEN= CFLAGS=-DCHOSEN PREFIX=/elsewhere
[ "$(./rmfer | tail -n 1)" = /elsewhere ] && pass || fail "the program has that"

builds "as at first" 4
# What is removed again leaves no trace in the program.
echo 'const char left_behind[] = "left behind"; extern const char left_behind[];' >src/cmd/more.c
printf '[train]\nbatch = 2\n' >configs/more.ini
builds "a source and a preset more" 2
grep -q more build/generated/presets.c && pass || fail "the preset is embedded"
rm src/cmd/more.c configs/more.ini
builds "both removed: the presets" 1
grep -q more build/generated/presets.c && fail "the preset is still embedded" || pass
ar t build/release/librmfer.a | grep -q more && fail "the source's object is still in the library" || pass
builds "nothing more" 0

builds "with MPI: its transport" 1 MPI=1
holds "the program is that with MPI" cmp -s rmfer build/release-mpi/rmfer
builds "without it: nothing" 0
holds "the program is that without" cmp -s rmfer build/release/rmfer
builds "with it again: nothing" 0 MPI=1
holds "and links nothing" [ "$(grep -c LINK "$folder/out")" -eq 0 ]
echo dl >mpi-is
builds "another MPI: its transport" 1 MPI=1
holds "and links" [ "$(grep -c LINK "$folder/out")" -eq 1 ]

# how_parallel OPTION...: the -j with which `make test` would start another make, "" where that shares its own.
how_parallel() {
    alone -n test MAKE=: "$@"
    sed -n 's/^: --no-print-directory *\(.*\)check$/\1/p' "$folder/out" | tr -d ' '
}
cores=$(nproc 2>/dev/null || echo 1)
[ "$(how_parallel)" = "-j$cores" ] && pass || fail "make test does not use the cores"
[ "$(how_parallel -j1)" = "" ] && pass || fail "make -j1 test is not heeded"
[ "$(how_parallel -j3)" = "" ] && pass || fail "make -j3 test is not heeded"
[ "$(how_parallel BUILD=jobs CFLAGS="-O2 -jumps")" = "-j$cores" ] && pass || fail "a value with a j is taken for -j"

finish
