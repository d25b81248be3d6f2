#!/usr/bin/env node
// Speed of inference in ONNX Runtime, for comparison with `rmfer bench --mode infer`.
//
//   node peer_onnxruntime.mjs MODEL.onnx --batch N [--image-size N] [--threads N] [--seconds S] [--first]
//
// `onnxruntime-node` is looked for in the folder that ORT_HOME names (compare_inference.sh installs it into a temporary
// one). Prints one JSON line; --first stops after one result, for measuring start-up from outside.
import { availableParallelism } from "node:os";
import { ort } from "./onnxruntime.mjs";

const words = process.argv.slice(2);
const option = (name, fallback) => {
    const at = words.indexOf("--" + name);
    return at < 0 ? fallback : Number(words[at + 1]);
};
const model = words[0];
if (model === undefined || model.startsWith("--")) {
    console.error("usage: peer_onnxruntime.mjs MODEL.onnx [--batch N] [--image-size N] [--threads N] [--seconds S] [--first]");
    process.exit(2);
}
const batch = option("batch", 1), side = option("image-size", 260);
const threads = option("threads", availableParallelism()), least = option("seconds", 5);

const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: "all",
});
const data = new Float32Array(batch * 3 * side * side).map((_, i) => ((i * 2654435761) % 4096) / 2048 - 1);
const feeds = { [session.inputNames[0]]: new ort.Tensor("float32", data, [batch, 3, side, side]) };
await session.run(feeds);
if (words.includes("--first")) process.exit(0);

await session.run(feeds);
const seconds = [];
const begin = performance.now();
while (seconds.length < 5 || performance.now() - begin < 1000 * least) {
    const start = performance.now();
    await session.run(feeds);
    seconds.push((performance.now() - start) / 1000);
}
seconds.sort((a, b) => a - b);
const median = seconds[Math.floor(seconds.length / 2)];
console.log(JSON.stringify({
    mode: "infer", peer: "ONNX Runtime " + (ort.env.versions?.node ?? ""), image_size: side, batch, threads,
    images_per_s: Number((batch / median).toFixed(2)),
    ms_per_image: { median: 1000 * median / batch, min: 1000 * seconds[0] / batch, max: 1000 * seconds.at(-1) / batch },
    peak_rss_mb: Number((process.resourceUsage().maxRSS / 1024).toFixed(1)),
}));
