#!/bin/sh
# The model in the box: its bytes are the ones its card describes, and it judges real faces as well as was stated.
. tests/support/cli.sh

model=models/ferplus-b0.safetensors
stated=$(sed -n 's/^| SHA-256 | `\([0-9a-f]*\)` |$/\1/p' models/README.md)
if [ -n "$stated" ] && [ "$(sha256sum "$model" | cut -d ' ' -f 1)" = "$stated" ]; then pass; else fail "the checksum is not the card's"; fi
check "export for another size" "$RMFER" export "$model" -o "$folder/larger.safetensors" --image-size 96
holds "which nothing was measured at" [ -z "$("$RMFER" info "$folder/larger.safetensors" | grep '^accuracy\|^temperature')" ]
check "import of another normalisation" "$RMFER" import "$model" -o "$folder/grey.safetensors" --mean .5,.5,.5
holds "to which no temperature was fitted" [ -z "$("$RMFER" info "$folder/grey.safetensors" | grep '^temperature')" ]
run "$RMFER" info "$model"
if [ $code -eq 0 ] && grep -q tf_efficientnet_b0 "$folder/out" && ! grep -q '= /' "$folder/out"; then pass; else fail "info: exit $code"; fi
holds "info has the accuracy with its interval" grep -q '^accuracy  *overall 84\.06% \[82\.82%, 85\.24%\], average 65\.18%' "$folder/out"
stated=$(sed -n 's/^| temperature | \([0-9.]*\),.*/\1/p' models/README.md)
if [ -n "$stated" ] && grep -q "^temperature *$stated," "$folder/out"; then pass; else fail "the temperature is not the card's"; fi

faces=${RMFER_TEST_MATERIAL:-$PWD/../shared}/data/ferplus-mini
if [ ! -d "$faces" ]; then
    skip "the model on 600 faces of FERPlus, which are not here"
    finish
    exit
fi
# Overall accuracy on the validation part as measured when the model was made; kernels of other processors may turn one
# face in a thousand.
judges() {
    run "$RMFER" eval --checkpoint "$model" --dataset ferplus --data "$faces" --split valid --set data.votes="$1"
    accuracy=$(sed -n 's/^overall accuracy \([0-9.]*\)%.*/\1/p' "$folder/out")
    if [ $code -eq 0 ] && awk -v is="$accuracy" -v was="$2" 'BEGIN { d = is - was; exit !(d < 0.21 && d > -0.21) }'; then
        pass
    else
        fail "$1: $accuracy % where $2 % were stated"
    fi
}
judges majority 85.85
judges argmax 81.54

finish
