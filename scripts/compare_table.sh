#!/bin/sh
# Makes a table of "WHO|BATCH|IMAGES_PER_S|MB" lines: medians for each WHO and BATCH, and how many times as fast (and how
# small) FIRST is beside the others.   compare_table.sh FIRST <lines
exec awk -F'|' -v first="$1" '
    function median(list, count,    i, j, kept) {
        for (i = 2; i <= count; i++) {
            kept = list[i]
            for (j = i - 1; j >= 1 && list[j] > kept; j--) list[j + 1] = list[j]
            list[j + 1] = kept
        }
        return count % 2 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2
    }
    {
        key = $1 "|" $2
        if (!(key in count)) order[++keys] = key
        count[key]++
        speed[key, count[key]] = $3
        memory[key, count[key]] = $4
    }
    END {
        for (k = 1; k <= keys; k++) {
            key = order[k]
            for (i = 1; i <= count[key]; i++) { a[i] = speed[key, i] + 0; b[i] = memory[key, i] + 0 }
            fast[key] = median(a, count[key])
            low[key] = a[1]; high[key] = a[count[key]]
            large[key] = median(b, count[key])
        }
        print "| batch | | images/s (lowest to highest) | peak memory, MB | speed of " first " | memory of " first " |"
        print "| ---: | --- | ---: | ---: | ---: | ---: |"
        for (k = 1; k <= keys; k++) {
            key = order[k]
            split(key, part, "|")
            own = first "|" part[2]
            speed_ratio = key == own || fast[key] == 0 ? "" : sprintf("%.2f x", fast[own] / fast[key])
            memory_ratio = key == own || large[key] == 0 ? "" : sprintf("%.2f x", large[own] / large[key])
            printf "| %s | %s | %.1f (%.1f to %.1f) | %.0f | %s | %s |\n", part[2], part[1], fast[key], low[key], high[key], large[key], speed_ratio, memory_ratio
        }
    }'
