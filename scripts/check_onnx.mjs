// Runs an exported network in ONNX Runtime and compares its logits with expected ones.
//
//   ORT_HOME=DIR node check_onnx.mjs MODEL.onnx PICTURES.safetensors EXPECTED.safetensors [PREPROCESSING.onnx]
//
// PICTURES holds `images` [N,H,W,3], normalised; EXPECTED holds `logits` [N,E] (scripts/golden_checkpoints.py writes
// both). With PREPROCESSING, the same network exported --with-preprocess and ImageNet's mean and std, the two are
// compared on pictures of bytes too. Ends with 1 when a logit differs by more than 1e-4 of their scale.
import { basename } from "node:path";
import { channelsFirst, compare, IMAGENET, largest, logitsOf, normalised, ort, readTensor } from "./onnxruntime.mjs";

function asBytes(values, { mean, std }) {
    return Uint8Array.from(values, (value, i) =>
        Math.min(255, Math.max(0, Math.round(255 * (value * std[i % 3] + mean[i % 3])))));
}

function compareLogits(what, got, expected) {
    const most = largest(expected);
    compare(`${basename(what)}: logits up to ${most.toFixed(2)} differ by`, got, expected, 1e-4 * Math.max(1, most));
}

const [modelPath, picturesPath, expectedPath, preprocessingPath] = process.argv.slice(2);
const images = readTensor(picturesPath, "images");
compareLogits(modelPath, await logitsOf(modelPath, channelsFirst(images)), readTensor(expectedPath, "logits").values);
if (preprocessingPath !== undefined) {
    const bytes = asBytes(images.values, IMAGENET);
    const input = channelsFirst({ shape: images.shape, values: normalised(bytes, IMAGENET) });
    compareLogits(preprocessingPath, await logitsOf(preprocessingPath, new ort.Tensor("uint8", bytes, images.shape)),
        await logitsOf(modelPath, input));
}
