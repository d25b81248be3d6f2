#!/bin/sh
# No circle of files inside a room: a file that uses a function of another is not used by that one, not even by way of a
# third. Who uses whom is read out of the objects (undefined and defined symbols); macros, types and inline functions
# make no circle. Usage: check_circles.sh [BUILT], where BUILT has src/ROOM/*.o (build/release).
set -u
built=${1:-build/release}
bad=0
for room in src/*/; do
    room=$(basename "$room")
    objects=
    for source in src/"$room"/*.c; do
        object=$built/${source%.c}.o
        [ -e "$object" ] && objects="$objects $object"
    done
    [ -n "$objects" ] || continue
    # "user used" for every two files of which one uses the other; tsort names each circle that keeps it from an order.
    # shellcheck disable=SC2086
    circles=$(nm -A -P -g $objects 2>/dev/null | awk '
        {
            file = $1
            sub(/:$/, "", file)
            sub(/.*\//, "", file)
            sub(/\.o$/, ".c", file)
            if ($3 == "U") { users[$2] = users[$2] " " file } else { home[$2] = file }
        }
        END {
            for (symbol in users) {
                if (!(symbol in home)) continue
                count = split(users[symbol], list, " ")
                for (i = 1; i <= count; i++) if (list[i] != home[symbol]) print list[i], home[symbol]
            }
        }' | sort -u | tsort 2>&1 >/dev/null | sed 's/^tsort: //; s/^-: //')
    [ -z "$circles" ] && continue
    printf 'src/%s: a circle of files:\n%s\n' "$room" "$circles"
    bad=1
done
[ $bad -eq 0 ] && echo "circles: no room has a circle of files"
exit $bad
