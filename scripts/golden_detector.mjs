#!/usr/bin/env node
// Writes golden face detections: YuNet in ONNX Runtime with the reference's decoding, for tests/test_nn_detector.c.
//
//   ORT_HOME=DIR node golden_detector.mjs MODEL.onnx OUT.json --sizes 640,0 PICTURE...
//
// MODEL must be the export with a dynamic input. `onnxruntime-node` is looked for in the folder that ORT_HOME names
// (`npm install --prefix DIR onnxruntime-node@1.30.0`). Pictures are decoded, and scaled down to the longer side that
// --sizes lists (0: as they are), by PYTHON (python3) with Pillow. Decoding as in OpenCV's FaceDetectorYN: padding with
// zeros at the right and the bottom to a multiple of 32, blue-green-red values of 0 to 255, score = sqrt(cls obj), boxes
// suppressed above an overlap of 0.3; boxes stay real numbers where OpenCV rounds them down before that.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { ort } from "./onnxruntime.mjs";

const MIN_SCORE = 0.5, OVERLAP = 0.3, MOST_BYTES = 1 << 29;

const words = process.argv.slice(2);
const sizesAt = words.indexOf("--sizes");
const sizes = sizesAt < 0 ? [640] : words.splice(sizesAt, 2)[1].split(",").map(Number);
const [model, out, ...pictures] = words;
if (pictures.length === 0) {
    console.error("usage: golden_detector.mjs MODEL.onnx OUT.json [--sizes N,N] PICTURE...");
    process.exit(2);
}
const READ = `
import struct, sys
from PIL import Image, ImageOps
image = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
full, size = image.size, int(sys.argv[2])
longer = max(full)
if size > 0 and longer > size:
    image = image.resize([max(1, int(side * size / longer + 0.5)) for side in full], Image.BILINEAR)
sys.stdout.buffer.write(struct.pack("<4i", *full, *image.size) + image.tobytes())
`;

function readPicture(file, size) {
    const python = process.env.PYTHON ?? "python3";
    const bytes = execFileSync(python, ["-c", READ, file, String(size)], { maxBuffer: MOST_BYTES });
    const [fullWidth, fullHeight, width, height] = [0, 4, 8, 12].map((at) => bytes.readInt32LE(at));
    return { fullWidth, fullHeight, width, height, rgb: bytes.subarray(16) };
}

const roundUp = (side) => Math.ceil(side / 32) * 32;

function toTensor(picture) {
    const w = roundUp(picture.width), h = roundUp(picture.height);
    const data = new Float32Array(3 * w * h);
    for (let y = 0; y < picture.height; y++)
        for (let x = 0; x < picture.width; x++)
            for (let c = 0; c < 3; c++)
                data[((2 - c) * h + y) * w + x] = picture.rgb[(y * picture.width + x) * 3 + c];
    return new ort.Tensor("float32", data, [1, 3, h, w]);
}

const clip = (p) => Math.min(Math.max(p, 0), 1);

function decodeLevel(results, stride, paddedWidth) {
    const [cls, obj, bbox, kps] = ["cls", "obj", "bbox", "kps"].map((name) => results[`${name}_${stride}`].data);
    const columns = paddedWidth / stride;
    const faces = [];
    for (let i = 0; i < cls.length; i++) {
        const score = Math.sqrt(clip(cls[i]) * clip(obj[i]));
        if (score <= MIN_SCORE) continue;
        const column = i % columns, row = Math.floor(i / columns);
        const width = Math.exp(bbox[4 * i + 2]) * stride, height = Math.exp(bbox[4 * i + 3]) * stride;
        const x = (column + bbox[4 * i]) * stride - width / 2, y = (row + bbox[4 * i + 1]) * stride - height / 2;
        const landmarks = [0, 1, 2, 3, 4].map((n) =>
            [(kps[10 * i + 2 * n] + column) * stride, (kps[10 * i + 2 * n + 1] + row) * stride]);
        faces.push({ score, box: [x, y, width, height], landmarks });
    }
    return faces;
}

function overlap(a, b) {
    const width = Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0]);
    const height = Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1]);
    const shared = Math.max(width, 0) * Math.max(height, 0);
    return shared / (a[2] * a[3] + b[2] * b[3] - shared);
}

function suppress(faces) {
    const kept = [];
    for (const face of faces.sort((a, b) => b.score - a.score))
        if (kept.every((other) => overlap(face.box, other.box) <= OVERLAP)) kept.push(face);
    return kept;
}

const round = (value) => Math.round(value * 1e5) / 1e5;

function scaleBack(face, picture) {
    const across = picture.fullWidth / picture.width, down = picture.fullHeight / picture.height;
    const [x, y, w, h] = face.box;
    return {
        score: round(face.score),
        box: [x * across, y * down, w * across, h * down].map(round),
        landmarks: face.landmarks.map(([px, py]) => [round(px * across), round(py * down)]),
    };
}

const session = await ort.InferenceSession.create(model);
const goldens = [];
for (const file of pictures)
    for (const size of sizes) {
        const picture = readPicture(file, size);
        const results = await session.run({ [session.inputNames[0]]: toTensor(picture) });
        const faces = [8, 16, 32].flatMap((stride) => decodeLevel(results, stride, roundUp(picture.width)));
        goldens.push({
            file: path.basename(file), size, width: picture.fullWidth, height: picture.fullHeight,
            faces: suppress(faces).map((face) => scaleBack(face, picture)),
        });
    }
const lines = goldens.map((golden) => "  " + JSON.stringify(golden));
writeFileSync(out, `{"min_score": ${MIN_SCORE}, "overlap": ${OVERLAP}, "pictures": [\n${lines.join(",\n")}\n]}\n`);
