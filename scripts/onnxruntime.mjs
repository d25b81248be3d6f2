// What the scripts that run ONNX Runtime share: where it is, safetensors, normalising, comparing.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

// `onnxruntime-node` is looked for in the folder that ORT_HOME names (npm install --prefix DIR onnxruntime-node).
export const ort = createRequire(resolve(process.env.ORT_HOME ?? ".", "package.json"))("onnxruntime-node");

export const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

function readHeader(bytes) {
    const length = Number(bytes.readBigUInt64LE(0));
    return { header: JSON.parse(bytes.subarray(8, 8 + length).toString()), start: 8 + length };
}

// A float32 tensor of a safetensors file.
export function readTensor(path, name) {
    const bytes = readFileSync(path), { header, start } = readHeader(bytes);
    if (header[name]?.dtype !== "F32") throw new Error(`${path}: no float32 tensor ${name}`);
    const [begin, end] = header[name].data_offsets.map((offset) => bytes.byteOffset + start + offset);
    return { shape: header[name].shape, values: new Float32Array(bytes.buffer.slice(begin, end)) };
}

export function readMetadata(path) {
    return readHeader(readFileSync(path)).header.__metadata__ ?? {};
}

// [N,H,W,C] to ONNX Runtime's tensor [N,C,H,W].
export function channelsFirst({ shape: [n, h, w, c], values }) {
    const out = new Float32Array(values.length);
    for (let i = 0; i < n; i++)
        for (let p = 0; p < h * w; p++)
            for (let k = 0; k < c; k++) out[(i * c + k) * h * w + p] = values[(i * h * w + p) * c + k];
    return new ort.Tensor("float32", out, [n, c, h, w]);
}

// Bytes as the network's input.
export function normalised(bytes, { mean, std }) {
    return Float32Array.from(bytes, (value, i) => (value / 255 - mean[i % 3]) / std[i % 3]);
}

export async function logitsOf(path, input) {
    const session = await ort.InferenceSession.create(path);
    return (await session.run({ input })).logits.data;
}

// Prints the largest difference; beyond `limit` the script will end with 1.
export function compare(what, got, expected, limit) {
    if (got.length !== expected.length) throw new Error(`${what}: ${got.length} numbers instead of ${expected.length}`);
    let difference = 0;
    expected.forEach((value, i) => {
        difference = Math.max(difference, Number.isFinite(got[i]) ? Math.abs(got[i] - value) : Infinity);
    });
    const passes = difference <= limit;
    console.log(`${what}: ${difference.toExponential(2)}${passes ? "" : `, MORE than ${limit.toExponential(2)}`}`);
    if (!passes) process.exitCode = 1;
}

export function largest(values) {
    return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
