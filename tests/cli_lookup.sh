#!/bin/sh
# Files that commands find without being told: the model in the box and the detector, beside the program, installed, or
# named by the environment.
. tests/support/cli.sh

# Copies of the program in folders of their own, so that nothing of this machine is found.
unset RMFER_MODEL RMFER_DETECTOR XDG_DATA_HOME
HOME=$folder/home
export HOME
mkdir -p "$folder/source/models" "$folder/usr/bin" "$folder/usr/share/rmfer"
cp "$RMFER" "$folder/source/rmfer"
cp "$RMFER" "$folder/usr/bin/rmfer"
source=$folder/source/rmfer installed=$folder/usr/bin/rmfer
[ ! -e /usr/local/share/rmfer/ferplus-b0.safetensors ] || { skip "a model is installed on this machine"; finish; }

# A model without training: two steps on drawn faces.
check "draw faces" "$RMFER" synth "$folder/faces" --faces 96 --size 32 --mashups 0
cat >"$folder/two.ini" <<'END'
[data]
kind = folder
root = faces/folder
classes = Neutral, Happiness, Sadness, Surprise, Fear, Disgust, Anger, Contempt
image_size = 32
[model]
arch = tf_efficientnet_b0
[train]
batch = 4
epochs = 1
warmup_epochs = 1
max_steps = 2
[ial]
weight = 0
[acl]
weight = 0
END
check "train" "$RMFER" train --config "$folder/two.ini" --out "$folder/run"
model=$folder/run/last.safetensors picture=$(find "$folder/faces/folder/test" -name '*.jpg' | sort | head -n 1)

run "$source" predict "$picture"
if [ $code -eq 2 ] && grep -q 'needs --checkpoint FILE.*RMFER_MODEL' "$folder/err"; then pass; else fail "nothing to find: exit $code"; fi

cp "$model" "$folder/source/models/ferplus-b0.safetensors"
run "$source" predict "$picture"
if [ $code -eq 0 ] && grep -q "model: .*/source/models/ferplus-b0.safetensors" "$folder/err"; then pass; else fail "beside the program: exit $code"; fi
if grep -q "each picture is taken as one face.*make detector" "$folder/err"; then pass; else fail "the missing detector is not said"; fi
run "$source" predict --detector none "$picture"
if [ $code -eq 0 ] && ! grep -q "one face" "$folder/err"; then pass; else fail "--detector none: exit $code"; fi
for command in "eval --dataset folder --data $folder/faces/folder --split test" info "export -o $folder/out.safetensors"; do
    run "$source" $command
    if [ $code -eq 0 ] && grep -q "model: " "$folder/err"; then pass; else fail "$command: exit $code"; fi
done

cp "$model" "$folder/usr/share/rmfer/ferplus-b0.safetensors"
run "$installed" info
if [ $code -eq 0 ] && grep -q "share/rmfer/ferplus-b0.safetensors" "$folder/err"; then pass; else fail "installed: exit $code"; fi
RMFER_MODEL=$model
export RMFER_MODEL
run "$installed" info
if [ $code -eq 0 ] && grep -q "model: $model" "$folder/err"; then pass; else fail "the environment's model: exit $code"; fi
RMFER_MODEL=$folder/nothing.safetensors
run "$installed" predict "$picture"
if [ $code -eq 1 ] && grep -q "nothing.safetensors" "$folder/err"; then pass; else fail "a wrong name: exit $code"; fi
unset RMFER_MODEL

echo 'not a network' >"$folder/source/models/yunet.onnx"
run "$source" predict "$picture"
if [ $code -eq 1 ] && grep -q "models/yunet.onnx" "$folder/err"; then pass; else fail "a detector beside the program: exit $code"; fi
rm "$folder/source/models/yunet.onnx"
mkdir -p "$folder/home/.local/share/rmfer"
echo 'not a network' >"$folder/home/.local/share/rmfer/yunet.onnx"
run "$source" predict "$picture"
if [ $code -eq 1 ] && grep -q ".local/share/rmfer/yunet.onnx" "$folder/err"; then pass; else fail "a detector of the user: exit $code"; fi

# Half the bytes, the same names and shapes.
check "export as float16" "$source" export "$model" -o "$folder/half.safetensors" --half
check "export as float32" "$source" export "$model" -o "$folder/full.safetensors"
half=$(wc -c <"$folder/half.safetensors") full=$(wc -c <"$folder/full.safetensors")
if [ $((half * 10)) -lt $((full * 8)) ]; then pass; else fail "float16 is $half of $full bytes"; fi
check "and read it" "$source" predict --checkpoint "$folder/half.safetensors" --detector none "$picture"

finish
