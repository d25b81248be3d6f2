// Exports a checkpoint to ONNX and compares what ONNX Runtime makes of it with what `rmfer predict` says.
//
//   ORT_HOME=DIR node check_predict.mjs CHECKPOINT.safetensors [PICTURES]
//
// Makes some pictures (4) of the network's own size, so that nothing is resized, and has `rmfer predict --json
// --features` look at them. The network is exported twice, for normalised pictures and --with-preprocess for bytes,
// batch-norm folded in both. Compared are the logits (predict's: the features times the checkpoint's classifier) to
// 1e-4 of their scale, and the probabilities to 1e-4. RMFER (./rmfer) is the program. Ends with 1 when something
// differs more.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import {
    channelsFirst, compare, largest, logitsOf, normalised, ort, readMetadata, readTensor,
} from "./onnxruntime.mjs";

const rmfer = process.env.RMFER ?? "./rmfer";

// Waves of three colours with noise on them, another one for each picture: [side,side,3].
function makePicture(side, number) {
    const pixels = new Uint8Array(side * side * 3);
    let noise = 12345 + number;
    for (let i = 0; i < pixels.length; i++) {
        const x = Math.floor(i / 3) % side, y = Math.floor(i / 3 / side), c = i % 3;
        noise = (Math.imul(noise, 1664525) + 1013904223) >>> 0;
        const wave = Math.sin((x * (number + 1) + y * (c + 2)) / 9) + Math.cos((x - y * (number + 2)) / 23 + c);
        pixels[i] = Math.min(255, Math.max(0, Math.round(127 + 50 * wave + ((noise >>> 24) - 128) / 6)));
    }
    return pixels;
}

function crc(bytes) {
    let value = 0xffffffff;
    for (const byte of bytes) {
        value ^= byte;
        for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
    }
    return ~value >>> 0;
}

function pngChunk(name, data) {
    const body = Buffer.concat([Buffer.from(name, "latin1"), data]), ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(crc(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}

function encodePng(pixels, side) {
    const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
    header.writeUInt32BE(side, 0);
    header.writeUInt32BE(side, 4);
    const rows = Buffer.alloc(side * (3 * side + 1)); // each row begins with its filter, none
    for (let y = 0; y < side; y++) rows.set(pixels.subarray(y * 3 * side, (y + 1) * 3 * side), y * (3 * side + 1) + 1);
    return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), pngChunk("IHDR", header),
        pngChunk("IDAT", deflateSync(rows)), pngChunk("IEND", Buffer.alloc(0))]);
}

function readNpy(path) {
    const bytes = readFileSync(path), start = 10 + bytes.readUInt16LE(8);
    const [rows, columns] = bytes.subarray(10, start).toString().match(/\((\d+), (\d+)\)/).slice(1).map(Number);
    return { shape: [rows, columns], values: new Float32Array(bytes.buffer.slice(bytes.byteOffset + start)) };
}

function classify({ shape: [rows, columns], values }, weight, bias) {
    const classes = bias.length;
    return Array.from({ length: rows * classes }, (_, i) => {
        const row = Math.floor(i / classes), k = i % classes;
        let sum = bias[k];
        for (let c = 0; c < columns; c++) sum += values[row * columns + c] * weight[k * columns + c];
        return sum;
    });
}

function softmax(logits, classes) {
    return Array.from(logits, (value, i) => {
        const row = logits.slice(i - (i % classes), i - (i % classes) + classes);
        return 1 / row.reduce((sum, other) => sum + Math.exp(other - value), 0);
    });
}

// What `rmfer predict` says about the pictures: probabilities and logits, [N,E].
function predict(folder, checkpoint, files) {
    const features = join(folder, "features.npy");
    const words = ["predict", "--checkpoint", checkpoint, "--json", "--features", features, ...files];
    const faces = execFileSync(rmfer, words).toString().trim().split("\n").map((line) => JSON.parse(line).faces[0]);
    return {
        probabilities: faces.flatMap((face) => Object.values(face.probabilities)),
        logits: classify(readNpy(features), readTensor(checkpoint, "classifier.weight").values,
            readTensor(checkpoint, "classifier.bias").values),
    };
}

async function check(folder, checkpoint, count) {
    const metadata = readMetadata(checkpoint), side = Number(metadata["rmfer.image_size"]);
    const classes = metadata["rmfer.classes"].split(",").length;
    const numbers = (key) => metadata[key].split(",").map(Number);
    const pictures = Array.from({ length: count }, (_, i) => makePicture(side, i));
    const files = pictures.map((pixels, i) => {
        const path = join(folder, `${i}.png`);
        writeFileSync(path, encodePng(pixels, side));
        return path;
    });
    const said = predict(folder, checkpoint, files);
    const bytes = Uint8Array.from(Buffer.concat(pictures)), shape = [count, side, side, 3];
    const values = normalised(bytes, { mean: numbers("rmfer.mean"), std: numbers("rmfer.std") });
    const exports = [["folded", [], channelsFirst({ shape, values })],
        ["--with-preprocess", ["--with-preprocess"], new ort.Tensor("uint8", bytes, shape)]];
    for (const [name, options, input] of exports) {
        const model = join(folder, "model.onnx");
        execFileSync(rmfer, ["export", checkpoint, "-o", model, "--quiet", ...options]);
        const logits = await logitsOf(model, input), most = largest(logits);
        const what = `${metadata["rmfer.arch"]} ${side} x ${side}, ${name}`;
        compare(`${what}: logits up to ${most.toFixed(2)} differ by`, said.logits, logits, 1e-4 * Math.max(1, most));
        compare(`${what}: probabilities differ by`, said.probabilities, softmax(logits, classes), 1e-4);
    }
}

const [checkpoint, count] = process.argv.slice(2);
if (checkpoint === undefined) {
    console.error("usage: check_predict.mjs CHECKPOINT.safetensors [PICTURES]");
    process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), "rmfer-onnx-"));
try {
    await check(folder, checkpoint, Number(count ?? 4));
} finally {
    rmSync(folder, { recursive: true });
}
