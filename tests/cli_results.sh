#!/bin/sh
# The scripts that make the pages of results, with a stand-in for rmfer that trains nothing: they end where a part of them fails, and
# leave no result of what was not there.
. tests/support/cli.sh
scripts=$PWD/scripts
for name in results_rows results_claim results_ferplus results_methods; do
    mkdir -p "$folder/house/scripts"
    cp "$scripts/$name.sh" "$folder/house/scripts"
done
cd "$folder" || exit 1
mkdir data house/configs house/models

# It notes its words, ends with FAILS_WITH where they begin with FAILS, and is stopped in a run that is called STOPS.
cat >stand-in <<'SH'
#!/bin/sh
echo "$*" >>"$CALLS"
case $* in ${FAILS:-nothing}*) exit "$FAILS_WITH" ;; esac
command=$1 folder=$2
for word; do
    case $last in --out) run=$word ;; --json) json=$word ;; -o) made=$word ;; esac
    last=$word
done
case $command in
synth)
    mkdir -p "$folder/affectnet" "$folder/rmset"
    : >"$folder/index.csv" >"$folder/affectnet/validation.csv" >"$folder/rmset/index.csv"
    ;;
train)
    case $* in *--resume*) ;; *) [ ! -f "$run/metrics.jsonl" ] || exit 2 ;; esac # there is a run already
    mkdir -p "$run" && : >"$run/last.safetensors"
    [ "${run##*/}" != "${STOPS:-}" ] || exit 143
    ;;
eval)
    [ -z "$json" ] || echo '{"overall_accuracy": 0.5, "n": 10}' >"$json"
    echo 'overall accuracy 50 %'
    ;;
export) : >"$made" ;;
esac
SH
chmod +x stand-in
CALLS=$folder/calls RMFER=$folder/stand-in THREADS=1
export CALLS RMFER THREADS
# script NAME [VARIABLE=VALUE]...: runs it into made/, from nothing.
script() {
    name=$1
    shift
    rm -rf made calls
    : >calls
    case $name in
    methods) run env "$@" $shell house/scripts/results_methods.sh made ;;
    *) run env "$@" $shell house/scripts/results_$name.sh data made ;;
    esac
}
# again NAME [VARIABLE=VALUE]...: runs it with what is in made/ and reported/.
again() {
    name=$1
    shift
    : >calls
    run env "$@" $shell house/scripts/results_$name.sh data made reported
}
# trains NAME: the last script did.
trains() { grep -q "^train .*--out [^ ]*/$1 " calls; }
# report NAME...: there is nothing but results of runs elsewhere.
report() {
    rm -rf made reported && mkdir reported
    for name; do echo '{"overall_accuracy": 0.25, "n": 10}' >"reported/$name.json"; done
}
# ends_without WHAT STATUS NAME [VARIABLE=VALUE]...: the script fails so, and leaves no result but a start's.
ends_without() {
    what="$1 ($shell)" wanted=$2
    shift 2
    script "$@"
    holds "$what: exit $code" [ $code -eq "$wanted" ]
    holds "$what: no result" [ -z "$(find made -name '*.json' ! -name 'start-*')" ]
}
sh=$(readlink -f "$(command -v sh)")
for shell in sh dash bash; do
    command -v $shell >/dev/null || continue
    # What sh is already.
    [ $shell = sh ] || [ "$(readlink -f "$(command -v $shell)")" != "$sh" ] || continue
    script claim ROWS="consensus@labels400"
    holds "claim ends well ($shell)" [ $code -eq 0 -a -s made/results/consensus@labels400-seed0.json ]
    holds "the row has its labels and its RMset" grep -q \
        'labelled_per_class=146,.*rmset.root=[^ ]*rmset-labels400-agreement0.8 .*--out [^ ]*/consensus@labels400-seed0' calls
    ends_without "a number of labels that there is not" 2 claim ROWS="baseline consensus@labels500"
    holds "before anything is trained" [ ! -s calls ]
    ends_without "a row that there is not" 2 claim ROWS="consensus foo"
    ends_without "a variant that there is not" 2 claim ROWS="consensus@label400"
    ends_without "a variant behind another that there is not" 2 claim ROWS="consensus@labels400-agrement0.6"
    holds "before anything is trained" [ ! -s calls ]
    ends_without "a variant whose number is none" 2 claim ROWS="consensus@agreement0.6x"
    holds "before anything is trained" [ ! -s calls ]
    ends_without "an RMset that cannot be made" 1 claim ROWS=consensus FAILS=synth FAILS_WITH=1
    holds "nothing is trained without it" [ "$(grep -c '^train.*--out [^ ]*/consensus' calls)" -eq 0 ]
    ends_without "a start that is stopped" 1 claim ROWS=consensus FAILS=train FAILS_WITH=143
    mkdir -p made/start-seed0 && : >made/start-seed0/metrics.jsonl
    run env ROWS=start $shell house/scripts/results_claim.sh data made
    holds "a start killed before its first checkpoint begins anew ($shell)" [ $code -eq 0 -a -s made/results/start-seed0.json ]
    rm -r made
    run env ROWS=consensus $shell house/scripts/results_claim.sh nowhere made
    holds "a data set that is not there ($shell)" [ $code -ne 0 -a ! -e made/start-seed0 ]

    # What is finished is compared: by its mark, or where an earlier script trained it by what followed its checkpoint.
    report
    again claim ROWS=baseline STOPS=baseline-seed0
    holds "a row that is stopped ($shell)" [ $code -eq 143 -o $code -eq 1 ]
    again claim ROWS=ial
    holds "is not compared" [ $code -eq 0 -a ! -e reported/paired/ial-seed0.json ]
    again claim ROWS="baseline ial"
    holds "until it has gone on to its end" [ $code -eq 0 -a -s reported/paired/ial-seed0.json ]
    holds "which a finished row does not do again" [ "$(grep -c '^train' calls)" -eq 1 ]
    rm made/*/done reported/paired/* && sleep 0.02 && touch reported/*.json
    again claim ROWS=ial
    holds "rows without marks are compared ($shell)" [ -s reported/paired/ial-seed0.json -a "$(grep -c '^train' calls)" -eq 0 ]
    rm reported/paired/* && sleep 0.02 && : >made/baseline-seed0/last.safetensors
    again claim ROWS=ial
    holds "but for one that has gone on since" [ $code -eq 0 -a ! -e reported/paired/ial-seed0.json ]

    # What is reported is added to.
    report start-seed0 baseline-seed0
    again claim ROWS="start baseline ial"
    holds "a row beside reported ones ($shell)" [ $code -eq 0 -a -s reported/ial-seed0.json ]
    holds "has its start trained" trains start-seed0
    holds "which stays reported as it was" grep -q 0.25 reported/start-seed0.json
    holds "as labels alone do, which are not trained" eval '! trains baseline-seed0'
    report start-seed0
    again claim ROWS=ial STOPS=start-seed0
    again claim ROWS=ial
    holds "a start that was stopped goes on before its row ($shell)" [ $code -eq 0 -a "$(grep -c '^train' calls)" -eq 2 ]
    if command -v flock >/dev/null; then
        report
        mkdir -p made/start-seed0
        sh -c 'flock 9; : >held; sleep 0.5; echo let go >>calls' 9<made/start-seed0 &
        until [ -e held ]; do sleep 0.02; done
        again claim ROWS=ial
        wait && rm held
        holds "a start is waited for ($shell)" eval '[ $code -eq 0 ] && grep "^let go\|^train" calls | head -n 1 | grep -q "^let go"'
    else
        skip "a start that is waited for: no flock here"
    fi

    script ferplus ROWS=scratch
    holds "ferplus ends well ($shell)" [ $code -eq 0 -a -s made/results/scratch-seed0-valid-argmax.json ]
    script ferplus ROWS=more
    holds "a row that goes on has its start trained, then itself ($shell)" [ $code -eq 0 -a -s made/results/more-seed0-valid-argmax.json ]
    holds "from that start" grep -q 'model.init=[^ ]*/scratch-seed0/last.safetensors .*--out [^ ]*/more-seed0' calls
    ends_without "a row that there is not" 2 ferplus ROWS=foo
    holds "before anything is trained" [ ! -s calls ]
    ends_without "a scratch that is stopped" 1 ferplus ROWS="scratch more" FAILS=train FAILS_WITH=143

    report
    again ferplus ROWS=scratch STOPS=scratch-seed0
    again ferplus ROWS=more START=elsewhere.safetensors
    holds "no model is made of a scratch that is stopped ($shell)" [ $code -eq 0 -a ! -e made/ferplus-b0.safetensors ]
    again ferplus ROWS=scratch
    holds "but once it has gone on to its end" [ $code -eq 0 -a -e made/ferplus-b0.safetensors ]
    report scratch-seed0-valid-argmax
    again ferplus ROWS=scratch
    holds "a reported scratch is not trained ($shell)" [ $code -eq 0 -a "$(grep -c '^train' calls)" -eq 0 ]
    again ferplus ROWS=more
    holds "but where a row goes on from it" trains scratch-seed0
    holds "and it stays reported as it was" grep -q 0.25 reported/scratch-seed0-valid-argmax.json

    script methods SEEDS=0 ROWS="simclr-linear plain"
    holds "methods ends well ($shell)" [ $code -eq 0 -a -s made/simclr-linear-seed0.json -a -s made/plain-seed0.json ]
    ends_without "a start that is stopped" 1 methods SEEDS=0 ROWS=simclr-linear \
        FAILS="train --config methods.ini --set train.method=simclr " FAILS_WITH=143
    holds "it is not done, and nothing goes on from it" [ ! -e made/simclr-seed0.done -a "$(grep -c '^train' calls)" -eq 1 ]
    ends_without "faces that cannot be drawn" 1 methods SEEDS=0 ROWS=plain FAILS=synth FAILS_WITH=1
    holds "nothing is trained without them" [ "$(grep -c '^train' calls)" -eq 0 ]
done

finish
