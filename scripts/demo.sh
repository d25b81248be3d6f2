#!/bin/sh
# The quickstart, from nothing: draws faces, trains both phases, evaluates and predicts. `make demo` calls it.
# Everything lands in the folder DEMO (demo); RMFER names the program (./rmfer).
set -eu
rmfer=${RMFER:-./rmfer}
demo=${DEMO:-demo}
began=$(date +%s)

# Says a command, then runs it.
run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

mkdir -p "$demo"
rm -rf "$demo/synth" "$demo/runs" "$demo/rmset"
echo 'Drawing labelled faces in every layout, and videos in which several persons react to the same moments.'
run "$rmfer" synth "$demo/synth"

printf '\n$ %s config quickstart > %s\n' "$rmfer" "$demo/quickstart.ini"
"$rmfer" config quickstart >"$demo/quickstart.ini"

# The faces of the drawn videos, where videos can be read; else those that were drawn one by one.
rmset=$demo/synth/rmset
if [ -e "$demo/synth/mashups/mashup0.mp4" ]; then
    printf '\nCutting the faces of the persons who react out of the mashup videos.\n'
    run "$rmfer" rmset build "$demo"/synth/mashups/*.mp4 -o "$demo/rmset" --cuts --size 64
    run "$rmfer" rmset check "$demo/rmset"
    rmset=$demo/rmset
fi
case $rmset in /*) ;; *) rmset=$PWD/$rmset ;; esac

printf '\nTraining: phase 1 (labels, inter-sample attention), then phase 2 (contrastive learning on the videos joins).\n'
run "$rmfer" train --config "$demo/quickstart.ini" --set rmset.root="$rmset"

checkpoint=$demo/runs/quickstart/best_overall.safetensors
printf '\nEvaluating on faces that training has not seen.\n'
run "$rmfer" eval --checkpoint "$checkpoint" --config "$demo/quickstart.ini" --split test

printf '\nPredicting single pictures; the folder names say what was drawn.\n'
run "$rmfer" predict --checkpoint "$checkpoint" "$demo"/synth/folder/test/*/0000[0-7].jpg

printf '\nDone in %d seconds. The run folder is %s; rmfer train --config YOURS.ini trains on your own data.\n' \
    $(($(date +%s) - began)) "$demo/runs/quickstart"
