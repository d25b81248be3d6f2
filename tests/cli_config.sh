#!/bin/sh
# rmfer config: presets, the key table, resolved configurations, messages and exit codes.
. tests/support/cli.sh

# refuses NAME CODE MESSAGE COMMAND...: it ends with that code and prints that one line.
refuses() {
    what=$1 wanted=$2 message=$3
    shift 3
    run "$@"
    if [ $code -eq "$wanted" ] && [ "$(cat "$folder/err")" = "$message" ] && [ ! -s "$folder/out" ]; then
        pass
    else
        fail "$what: exit $code"
    fi
}

check help "$RMFER" config --help
check list "$RMFER" config --list
cp "$folder/out" "$folder/list"
for preset in configs/*.ini; do
    name=$(basename "$preset" .ini)
    grep -q "^$name " "$folder/list" || fail "$name is not listed"
    "$RMFER" config "$name" >"$folder/$name.ini"
    check "$name is what configs/ holds" cmp "$folder/$name.ini" "$preset"
    check "$name resolves" "$RMFER" config "$folder/$name.ini" --resolved
    # Each key of a preset has its comment.
    bare=$(grep ' = ' "$folder/$name.ini" | grep -v '#' | wc -l)
    check "$name explains its keys" test "$bare" -eq 0
done

# The key table is itself a configuration: the defaults.
"$RMFER" config --keys >"$folder/keys.ini"
check "keys parse" "$RMFER" config "$folder/keys.ini" --resolved
cp "$folder/out" "$folder/first"
: >"$folder/empty.ini"
check "an empty file is the defaults" "$RMFER" config "$folder/empty.ini" --resolved
cp "$folder/out" "$folder/second"
check "keys are the defaults" cmp "$folder/first" "$folder/second"

# What is resolved resolves to itself, anywhere.
"$RMFER" config quickstart --resolved >"$folder/resolved.ini"
(cd / && "$RMFER" config "$folder/resolved.ini" --resolved) >"$folder/again.ini"
check "resolving twice changes nothing" cmp "$folder/resolved.ini" "$folder/again.ini"
check "overrides are seen" sh -c "'$RMFER' config quickstart --set train.batch=5 --set data.root=here | grep -q '^batch = 5$'"
check "their paths start here" sh -c "cd '$folder' && '$RMFER' config quickstart --set data.root=here | grep -q \"^root = \$(pwd -P)/here$\""

printf '[data]\nkind = affectnet\n\n\n\n\n\n[train]\n\n\n\n\n\noptimizer = adma\n' >"$folder/affectnet8.ini"
box=$PWD/models/ferplus-b0.safetensors
cd "$folder" || exit 1
refuses "a wrong word" 2 'rmfer: error: affectnet8.ini:14: train.optimizer = adma: unknown (sgd, adam, adamw, sam)' \
    "$RMFER" config affectnet8.ini --resolved
refuses "a wrong override" 2 'rmfer: error: --set: train.bacth: unknown key (did you mean train.batch?)' \
    "$RMFER" config quickstart --set train.bacth=5
refuses "an unknown preset" 2 "rmfer: error: no preset 'rafdb8' (did you mean 'rafdb'?)" "$RMFER" config rafdb8
refuses "an unknown preset to train by" 2 "rmfer: error: rafdb8: no such file, and no preset (did you mean 'rafdb'?)" \
    "$RMFER" train --config rafdb8
refuses "a name like no other" 2 "rmfer: error: zzzzzzzz: no such file, and no preset ('rmfer config --list' names them)" \
    "$RMFER" eval --config zzzzzzzz --checkpoint "$box"
refuses "a list of a name" 2 "rmfer: error: rmfer config needs one preset's NAME, --list or --keys" "$RMFER" config --list affectnet8
refuses "two forms" 2 "rmfer: error: rmfer config needs one preset's NAME, --list or --keys" "$RMFER" config --list --keys
refuses "keys with a change" 2 "rmfer: error: --resolved and --set are about a NAME, not about --keys" "$RMFER" config --keys --set train.lr=1
refuses "a number that would be 0" 2 "rmfer: error: --set: train.lr = 1e-400: not a number" "$RMFER" config affectnet8 --set train.lr=1e-400
refuses "no name" 2 "rmfer: error: rmfer config needs one preset's NAME, --list or --keys" "$RMFER" config
refuses "a missing file" 1 'rmfer: error: none.ini: No such file or directory' "$RMFER" config none.ini --resolved

"$RMFER" config rafdb >"$folder/rafdb.ini"
run "$RMFER" train --config "$folder/rafdb.ini" --out "$folder/run"
holds "all that is missing is named at once" [ $code -eq 2 ]
for key in data.root model.init rmset.root; do says "what is missing" "$key = .* is not there"; done

finish
