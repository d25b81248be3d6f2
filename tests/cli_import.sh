#!/bin/sh
# rmfer import, export and info: conversions that other programs accept, messages and exit codes.
. tests/support/cli.sh
PYTHON=${PYTHON:-/usr/bin/python3}
golden=tests/golden/ckpt
# refuses NAME CODE PART COMMAND...: it ends with that code and one line of error that holds PART; nothing is written.
refuses() {
    what=$1 wanted=$2 part=$3
    shift 3
    rm -f "$folder/new.safetensors"
    run "$@"
    if [ $code -eq "$wanted" ] && [ "$(grep -c '^rmfer: error: ' "$folder/err")" -eq 1 ] &&
        tail -n 1 "$folder/err" | grep -q -e "$part" && [ ! -e "$folder/new.safetensors" ]; then
        pass
    else
        fail "$what: exit $code"
    fi
}
new="$folder/new.safetensors"

check "import --help" "$RMFER" import --help
check "export --help" "$RMFER" export --help
refuses "no source" 2 "needs a SOURCE" "$RMFER" import -o "$new"
refuses "no output" 2 "needs -o" "$RMFER" import "$golden/timm_plain.pth"
refuses "wrong ending" 2 "safetensors" "$RMFER" import "$golden/timm_plain.pth" -o "$folder/a.pth"
refuses "unknown architecture" 2 "unknown architecture" "$RMFER" import "$golden/timm_plain.pth" -o "$new" --arch b9
refuses "no such file" 1 "nothing.pth" "$RMFER" import "$folder/nothing.pth" -o "$new"
refuses "no weights" 1 "neither safetensors" "$RMFER" import Makefile -o "$new"
# What stands where weights were hoped for is named, to import and to whatever takes a checkpoint.
: >"$folder/empty.pth"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n' >"$folder/pointer.pth"
printf '<!DOCTYPE html><html>404</html>' >"$folder/page.pth"
gzip -c Makefile >"$folder/packed.pth"
for case in "empty:an empty file" "pointer:git lfs pull" "page:a web page" "packed:gunzip"; do
    refuses "import of $case" 1 "${case%%:*}.pth: .*${case#*:}" "$RMFER" import "$folder/${case%%:*}.pth" -o "$new"
    refuses "export of $case" 1 "${case%%:*}.pth: .*${case#*:}" "$RMFER" export "$folder/${case%%:*}.pth" -o "$new"
done
refuses "no backbone" 1 "no EfficientNet backbone" "$RMFER" import "$golden/views.pt" -o "$new"
refuses "size not known" 1 "none of EfficientNet B0 to B3" "$RMFER" import "$golden/timm_plain.pth" -o "$new"
refuses "another network" 1 "does not fit tf_efficientnet_b2" "$RMFER" import "$golden/timm_plain.pth" -o "$new" \
    --arch tf_efficientnet_b2
refuses "mean" 2 "three numbers" "$RMFER" import "$golden/timm_plain.pth" -o "$new" --mean 1,2
for std in 1,0,1 .2,.2,1e-320 .2,9e-7,.2 .2,.2,1e300; do
    refuses "std $std" 2 "three numbers R,G,B from 1e-06 to 10" "$RMFER" import "$golden/timm_plain.pth" -o "$new" --std $std
done
refuses "a mean far out" 2 "three numbers R,G,B from -10 to 10" "$RMFER" import "$golden/timm_plain.pth" -o "$new" \
    --mean .5,-1e300,.5
refuses "class names" 2 "once each" "$RMFER" import "$golden/timm_plain.pth" -o "$new" --classes A,B,A
refuses "two names of one expression" 2 "'anger' means the same" "$RMFER" import "$golden/timm_plain.pth" -o "$new" \
    --arch tiny_tf_64_1 --classes Anger,anger,C,D,E,F,G
refuses "backbone alone" 2 "names the outputs" "$RMFER" import "$golden/authors_backbone.pth" -o "$new" \
    --arch tiny_tf_64_1
refuses "folder that is not there" 1 "cannot be written" "$RMFER" import "$golden/timm_plain.pth" \
    -o "$folder/no/such/a.safetensors" --arch tiny_tf_64_1

names=Anger,Disgust,Fear,Happiness,Neutral,Sadness,Surprise
check "import" "$RMFER" import "$golden/timm_plain.pth" -o "$folder/a.safetensors" --arch tiny_tf_64_1 \
    --classes "$names" --image-size 40 --mean .5,.4,.3 --std .2,.2,.1
says "import" "rows in the file's order"
check "info" "$RMFER" info "$folder/a.safetensors"
says "info" "Anger, Disgust, Fear, Happiness, Neutral, Sadness, Surprise"
says "info" "40 x 40"
says "info" "0.5 0.4 0.3"
LC_ALL=C sed 's/rmfer\.checksum/other.checksum/g;s/"0.2,0.2,0.1"/"1e-9,.2,0.1"/' "$folder/a.safetensors" >"$folder/std.safetensors"
refuses "a checkpoint with such a std" 1 "metadata rmfer.std is not three numbers from 1e-06 to 10" \
    "$RMFER" info "$folder/std.safetensors"
check "import of it" "$RMFER" import "$folder/std.safetensors" -o "$folder/std-2.safetensors"
says "import" "the file's own normalisation .* is left out"
check "the same names in another order" "$RMFER" import "$folder/a.safetensors" -o "$folder/order.safetensors" \
    --classes Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise
says "the same names in another order" "rows reordered by class name"
check "other names" "$RMFER" import "$folder/a.safetensors" -o "$folder/order.safetensors" --classes A,B,C,D,E,F,G
says "other names" "^rmfer: warning: the file itself has other names"
says "other names" "rows in the file's order"
check "the padding that a checkpoint states" "$RMFER" import "$folder/a.safetensors" -o "$folder/order.safetensors" \
    --arch tiny_64_1
says "the padding that a checkpoint states" "^rmfer: warning: the file's network has SAME padding.*the file says so"
check "fewer classes leave the classifier fresh" "$RMFER" import "$golden/timm_plain.pth" -o "$folder/b.safetensors" \
    --arch tiny_tf_64_1 --classes A,B,C
says "fewer classes" "classifier: fresh"
says "fewer classes" "to start a training from"
check "info of a foreign file" "$RMFER" info "$golden/lukemelas_training.pth"
says "info of a foreign file" "state_dict.module._blocks.0._depthwise_conv.weight"
check "info of an architecture" "$RMFER" info tiny_tf_64_1
refuses "info of an empty folder" 1 "no checkpoint in this folder" "$RMFER" info scripts

# A classifier that nothing has trained is said to be so, and neither predicts nor leaves by mistake.
says_untrained="fresh and random"
check "info of an untrained classifier" "$RMFER" info "$folder/b.safetensors"
says "info of an untrained classifier" "$says_untrained"
refuses "export of an untrained classifier" 2 "$says_untrained" "$RMFER" export "$folder/b.safetensors" -o "$new"
check "export of it all the same" "$RMFER" export "$folder/b.safetensors" -o "$new" --allow-untrained
refuses "prediction with it" 2 "$says_untrained" "$RMFER" predict --checkpoint "$folder/b.safetensors" --detector none \
    docs/demo.png
check "prediction all the same" "$RMFER" predict --checkpoint "$folder/b.safetensors" --detector none \
    --allow-untrained docs/demo.png

# A file without its prefix's weights, and two sets of weights of which one is chosen.
check "the same again" "$RMFER" import "$folder/a.safetensors" -o "$folder/c.safetensors"
check "a checkpoint imports to itself" cmp "$folder/a.safetensors" "$folder/c.safetensors"

refuses "export of a foreign file" 1 "rmfer import" "$RMFER" export "$golden/views.safetensors" -o "$new"
for file in timm_plain.pth folded.onnx; do
    refuses "export of $file" 1 "$file: not a checkpoint of rmfer; 'rmfer import" "$RMFER" export "$golden/$file" -o "$new"
    refuses "evaluation of $file" 1 "$file: not a checkpoint of rmfer; 'rmfer import" "$RMFER" eval --checkpoint \
        "$golden/$file" --dataset csv --data "$folder" --split test
done
refuses "export without output" 2 "needs -o" "$RMFER" export "$folder/a.safetensors"
refuses "export to something else" 2 "must end in" "$RMFER" export "$folder/a.safetensors" -o "$folder/a.pt"
refuses "preprocessing in safetensors" 2 "for .onnx only" "$RMFER" export "$folder/a.safetensors" -o "$new" \
    --with-preprocess
check "export safetensors" "$RMFER" export "$folder/a.safetensors" -o "$folder/d.safetensors"
check "nothing is lost" cmp "$folder/a.safetensors" "$folder/d.safetensors"

# Damaged metadata: the file is named.
damage() {
    "$PYTHON" - "$folder/a.safetensors" "$folder/$1.safetensors" "$2" "$3" <<'EOF'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
length = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + length])
metadata = {key: value for key, value in header["__metadata__"].items() if "checksum" not in key}
header["__metadata__"] = {**metadata, sys.argv[3]: sys.argv[4]}
text = json.dumps(header).encode()
open(sys.argv[2], "wb").write(struct.pack("<Q", len(text)) + text + data[8 + length:])
EOF
}
if "$PYTHON" -c 'import json' 2>/dev/null; then
    damage metrics rmfer.metrics '{x'
    refuses "info of damaged metrics" 1 "metrics.safetensors: rmfer.metrics cannot be read" "$RMFER" info \
        "$folder/metrics.safetensors"
    says "info of damaged metrics" "Anger, Disgust, Fear, Happiness, Neutral, Sadness, Surprise"
    damage names rmfer.classes 'a,,b'
    refuses "import of damaged names" 1 "names.safetensors: metadata rmfer.classes: class 1 has no name" "$RMFER" import \
        "$folder/names.safetensors" -o "$new"
else
    skip "damaged metadata, as $PYTHON is not there"
fi

if "$PYTHON" -c 'import torch' 2>/dev/null; then
    PYTHONPATH=scripts "$PYTHON" -c 'import sys, torch, golden_checkpoints as g
torch.save(g.as_timm_module(g.make(g.reference.architecture_tiny(True, 64, 1), 10)), sys.argv[1])' "$folder/ten.pt"
    check "a module of ten outputs" "$RMFER" import "$folder/ten.pt" -o "$folder/ten.safetensors" --arch tiny_tf_64_1
    says "a module of ten outputs" "the last two valence and arousal"
    check "PyTorch loads a checkpoint strictly" "$PYTHON" scripts/golden_checkpoints.py --check \
        "$folder/a.safetensors" "$golden/timm_plain.expected.safetensors"
else
    skip "loading into PyTorch, as $PYTHON has no torch"
fi

# ONNX: what its own checker and ONNX Runtime make of it.
for case in timm_plain:tiny_tf_64_1:pth torchvision_bfloat16:tiny_64_1:pth; do
    name=${case%%:*} rest=${case#*:}
    arch=${rest%%:*}
    check "import $name" "$RMFER" import "$golden/$name.${rest#*:}" -o "$folder/$name.safetensors" --arch "$arch" \
        --image-size 40
    check "export $name" "$RMFER" export "$folder/$name.safetensors" -o "$folder/$name.onnx"
    check "export $name with preprocessing" "$RMFER" export "$folder/$name.safetensors" -o "$folder/$name.pre.onnx" \
        --with-preprocess
    check "import $name from ONNX" "$RMFER" import "$folder/$name.onnx" -o "$folder/$name.once.safetensors" --arch "$arch"
    check "import $name once more" "$RMFER" import "$folder/$name.once.safetensors" -o "$folder/$name.twice.safetensors"
    check "info of it" "$RMFER" info "$folder/$name.twice.safetensors"
    says "what was folded stays so" "batch-norm was folded before import"
    if "$PYTHON" -c 'import onnx' 2>/dev/null; then
        for model in "$folder/$name.onnx" "$folder/$name.pre.onnx"; do
            check "onnx's checker accepts $model" "$PYTHON" -c \
                'import onnx, sys; onnx.checker.check_model(onnx.load(sys.argv[1]), full_check=True)' "$model"
        done
    else
        skip "onnx's checker, as $PYTHON has no onnx"
    fi
    if [ -n "$ORT_HOME" ] && command -v node >/dev/null; then
        check "ONNX Runtime computes $name" node scripts/check_onnx.mjs "$folder/$name.onnx" \
            "$golden/pictures.safetensors" "$golden/$name.expected.safetensors" "$folder/$name.pre.onnx"
        check "ONNX Runtime says of $name what predict says" node scripts/check_predict.mjs "$folder/$name.safetensors"
    else
        skip "ONNX Runtime, as ORT_HOME names no folder with onnxruntime-node"
    fi
done

finish
