// Runs an exported network in ONNX Runtime and compares its logits with expected ones.
//
//   node check_onnx.mjs MODEL.onnx PICTURES.safetensors EXPECTED.safetensors [PREPROCESSING.onnx]
//
// PICTURES holds `images` [N,H,W,3], normalised; EXPECTED holds `logits` [N,E] (scripts/golden_checkpoints.py writes
// both). With PREPROCESSING, the same network exported --with-preprocess and ImageNet's mean and std, the two are
// compared on pictures of bytes too. onnxruntime-node is found through RMFER_ONNXRUNTIME, a folder that has it in
// node_modules (npm install onnxruntime-node). Ends with 1 when a logit differs by more than 1e-4 of their scale.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const require = createRequire(resolve(process.env.RMFER_ONNXRUNTIME ?? ".", "package.json"));
const ort = require("onnxruntime-node");

function readTensor(path, name) {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const entry = JSON.parse(bytes.subarray(8, 8 + length).toString())[name];
  const [begin, end] = entry.data_offsets;
  const data = bytes.buffer.slice(bytes.byteOffset + 8 + length + begin, bytes.byteOffset + 8 + length + end);
  return { shape: entry.shape, values: new Float32Array(data) };
}

function channelsFirst({ shape: [n, h, w, c], values }) {
  const out = new Float32Array(values.length);
  for (let i = 0; i < n; i++)
    for (let p = 0; p < h * w; p++)
      for (let k = 0; k < c; k++) out[(i * c + k) * h * w + p] = values[(i * h * w + p) * c + k];
  return new ort.Tensor("float32", out, [n, c, h, w]);
}

// Back to bytes with ImageNet's mean and std, and what these bytes are when normalised.
function asBytes({ shape, values }) {
  const mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225];
  const bytes = new Uint8Array(values.length), normalised = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    bytes[i] = Math.min(255, Math.max(0, Math.round(255 * (values[i] * std[i % 3] + mean[i % 3]))));
    normalised[i] = (bytes[i] / 255 - mean[i % 3]) / std[i % 3];
  }
  return { bytes: new ort.Tensor("uint8", bytes, shape), normalised: channelsFirst({ shape, values: normalised }) };
}

async function logitsOf(path, input) {
  const session = await ort.InferenceSession.create(path);
  return (await session.run({ input })).logits.data;
}

function compare(what, got, expected) {
  if (got.length !== expected.length) throw new Error(`${what}: ${got.length} logits instead of ${expected.length}`);
  let difference = 0, scale = 1;
  expected.forEach((value, i) => {
    difference = Math.max(difference, Number.isNaN(got[i]) ? Infinity : Math.abs(got[i] - value));
    scale = Math.max(scale, Math.abs(value));
  });
  console.log(`${what}: largest difference of a logit ${difference.toExponential(2)}, scale ${scale.toFixed(2)}`);
  if (!(difference <= 1e-4 * scale)) process.exitCode = 1;
}

const [modelPath, picturesPath, expectedPath, preprocessingPath] = process.argv.slice(2);
const images = readTensor(picturesPath, "images");
compare(modelPath, await logitsOf(modelPath, channelsFirst(images)), readTensor(expectedPath, "logits").values);
if (preprocessingPath !== undefined) {
  const { bytes, normalised } = asBytes(images);
  compare(preprocessingPath, await logitsOf(preprocessingPath, bytes), await logitsOf(modelPath, normalised));
}
