// Run network files in onnxruntime-node or onnxruntime-web: the same lines of JSON as worker.py, in Node.js.
//
//     node benchmarks/runtimes/node.mjs onnxruntime-web

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const name = process.argv[2];
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const environment = new URL("../../.venv-peers/node/", import.meta.url); // of `make runtimes`
const manifest = new URL(`node_modules/${name}/package.json`, environment);
if (!existsSync(manifest)) {
  answer({ error: "not installed" });
  process.exit();
}
const ort = createRequire(new URL("package.json", environment))(name);
const web = name === "onnxruntime-web";
if (web) ort.env.wasm.numThreads = 1;
answer({ version: JSON.parse(readFileSync(manifest)).version });

let session, names;

function readArray({ path, shape, type }) {
  const bytes = readFileSync(path);
  const kind = type === "float32" ? Float32Array : Int32Array;
  return { values: new kind(bytes.buffer, bytes.byteOffset, bytes.length / 4), shape, type };
}

async function runBatch({ values, shape, type }, start, count) {
  const size = shape.slice(1).reduce((a, b) => a * b, 1);
  const slice = values.slice(start * size, (start + count) * size);
  const given = await session.run({ stimulus: new ort.Tensor(type, slice, [count, ...shape.slice(1)]) }, names);
  return names.filter((output) => output in given).map((output) => given[output]);
}

const commands = {
  async open({ path, outputs }) {
    const options = { intraOpNumThreads: 1, executionProviders: [web ? "wasm" : "cpu"] };
    session = await ort.InferenceSession.create(web ? readFileSync(path) : path, options);
    names = outputs;
    return {};
  },

  async run({ x, folder, seconds, least }) {
    const array = readArray(x);
    const shapes = (await runBatch(array, 0, 1)).map((output) => output.dims);
    const collected = shapes.map(() => []), end = performance.now() + 1000 * seconds;
    let samples = 0;
    while (samples < array.shape[0] && (samples < least || performance.now() < end)) {
      const outputs = await runBatch(array, samples, 1);
      if (JSON.stringify(outputs.map((output) => output.dims)) !== JSON.stringify(shapes))
        throw new Error("all outputs must have the same shape");
      outputs.forEach((output, i) => collected[i].push(Float32Array.from(output.data)));
      samples++;
    }
    collected.forEach((values, i) =>
      writeFileSync(`${folder}/${i}.bin`, Buffer.concat(values.map((v) => Buffer.from(v.buffer)))));
    return { shapes: shapes.map((dims) => [samples, ...dims]) };
  },

  async batch({ x }) {
    const array = readArray(x);
    return { shapes: (await runBatch(array, 0, array.shape[0])).map((output) => output.dims) };
  },

  async time({ x, seconds }) {
    const array = readArray(x), end = performance.now() + 1000 * seconds, measured = [];
    while (!measured.length || performance.now() < end) {
      const start = performance.now();
      await runBatch(array, 0, 1);
      measured.push((performance.now() - start) / 1000);
    }
    measured.sort((a, b) => a - b);
    return { median: measured[Math.floor(measured.length / 2)] };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  try {
    answer(await commands[request.do](request));
  } catch (error) {
    answer({ error: String(error.message ?? error) });
  }
}
