// flam-mini in the browser: the graphs that the Python package runs, on ONNX Runtime's WebAssembly build.

import * as ort from "./vendor/ort.wasm.min.mjs";
import { findEvents } from "./events.js";
import { LogMel } from "./logmel.js";
import { WordPieces } from "./tokenizer.js";

const WEIGHTS = "model.safetensors";

export class Detector {
  static async load(folder, nThreads = 1) {
    ort.env.wasm.wasmPaths = new URL("./vendor/", import.meta.url).href;
    ort.env.wasm.numThreads = nThreads;
    const [config, facts, tokenizer, weights] = await Promise.all([
      json(`${folder}/config.json`),
      json(`${folder}/graphs.json`),
      json(`${folder}/tokenizer.json`),
      bytes(`${folder}/${WEIGHTS}`),
    ]);
    const open = async (name) =>
      ort.InferenceSession.create(await bytes(`${folder}/${name}.onnx`), {
        executionProviders: ["wasm"],
        externalData: [{ path: WEIGHTS, data: weights }],
      });
    const detector = new Detector();
    detector.config = config.detection;
    detector.facts = facts;
    detector.tokenizer = new WordPieces(tokenizer);
    detector.logMel = new LogMel(facts.audio.logmel);
    detector.audio = await open("audio");
    detector.projection = await open("projection");
    detector.text = await open("text");
    return detector;
  }

  get sampleRate() {
    return this.facts.audio.sample_rate;
  }

  get hopS() {
    return this.facts.audio.hop_samples / this.sampleRate;
  }

  // waveform: Float32Array, mono, at the model's rate -> { features, power, size }: one feature for each frame
  async embedFrames(waveform, onProgress = () => {}) {
    const hop = this.facts.audio.hop_samples;
    const windowFrames = this.facts.audio.window_samples / hop;
    const overlap = Math.min(Math.floor(this.config.overlap * windowFrames + 0.5), Math.floor(windowFrames / 2));
    const nFrames = Math.ceil(waveform.length / hop);
    const shortest = Math.min(windowFrames, Math.ceil(1 / this.hopS));
    let sums = null;
    let size = 0;
    const weightSums = new Float32Array(nFrames);
    for (let start = 0; ; start += windowFrames - overlap) {
      const own = Math.min(windowFrames, nFrames - start);
      const input = new Float32Array(Math.max(own, Math.min(shortest, windowFrames)) * hop);
      const part = waveform.subarray(start * hop, (start + own) * hop);
      if (start === 0) for (let i = 0; i < input.length; i++) input[i] = part[i % part.length];
      else input.set(part);
      const frames = await this.encode(input);
      size = frames.size;
      sums ??= new Float32Array(nFrames * size);
      for (let row = 0; row < own; row++) {
        const weight = Math.min(1, (row + 1) / (overlap + 1), (windowFrames - row) / (overlap + 1));
        weightSums[start + row] += weight;
        for (let i = 0; i < size; i++) sums[(start + row) * size + i] += weight * frames.data[row * size + i];
      }
      onProgress(Math.min(1, (start + own) / nFrames));
      if (start + own >= nFrames) break;
    }
    for (let row = 0; row < nFrames; row++) {
      for (let i = 0; i < size; i++) sums[row * size + i] /= weightSums[row];
    }
    const tensor = new ort.Tensor("float32", sums, [nFrames, size]);
    const projected = Object.values(await this.projection.run({ frames: tensor }))[0];
    return { features: projected.data, size: projected.dims[1], nFrames, power: framePower(waveform, hop) };
  }

  async encode(input) {
    const bands = this.facts.audio.logmel.n_mels;
    const logmel = this.logMel.transform(input);
    const tensor = new ort.Tensor("float32", logmel, [1, logmel.length / bands, bands]);
    const output = Object.values(await this.audio.run({ logmel: tensor }))[0];
    return { data: output.data, size: output.dims[2] };
  }

  // prompt -> { feature, scale, bias }
  async embedText(prompt) {
    const ids = this.tokenizer.encode(prompt).slice(0, this.facts.text.max_tokens);
    if (!ids.length) throw new Error(`${prompt}: holds nothing this model can read; write it in words`);
    const inputs = {
      ids: new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]),
      mask: new ort.Tensor("bool", new Uint8Array(ids.length).fill(1), [1, ids.length]),
    };
    const outputs = await this.text.run(inputs);
    const [feature, scale, bias] = this.text.outputNames.map((name) => outputs[name].data);
    return { feature, scale: scale[0], bias: bias[0] };
  }

  // the score of the paper's Eq. 8, sigmoid(scale * cosine); 0 in digital silence
  score({ features, size, nFrames, power }, { feature, scale }) {
    const silence = 10 ** (this.config.silence_db / 10);
    return Float32Array.from({ length: nFrames }, (_, row) => {
      if (power[row] < silence) return 0;
      let cosine = 0;
      for (let i = 0; i < size; i++) cosine += features[row * size + i] * feature[i];
      return 1 / (1 + Math.exp(-scale * cosine));
    });
  }

  events(scores, durationS, threshold) {
    return findEvents(scores, this.hopS, durationS, { ...this.config, threshold });
  }
}

function framePower(waveform, hop) {
  return Float32Array.from({ length: Math.ceil(waveform.length / hop) }, (_, frame) => {
    const part = waveform.subarray(frame * hop, (frame + 1) * hop);
    let sum = 0;
    let squares = 0;
    for (const sample of part) {
      sum += sample;
      squares += sample * sample;
    }
    return squares / part.length - (sum / part.length) ** 2;
  });
}

async function bytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}; run build.py first`);
  return new Uint8Array(await response.arrayBuffer());
}

async function json(url) {
  return JSON.parse(new TextDecoder().decode(await bytes(url)));
}
