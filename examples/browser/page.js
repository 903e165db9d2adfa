// The page: a dropped file and prompts in, a heat map and a table of events out.

import { Detector } from "./detector.js";

const drop = document.querySelector("#drop");
const fileInput = document.querySelector("#file");
const prompts = document.querySelector("#prompts");
const threshold = document.querySelector("#threshold");
const thresholdValue = document.querySelector("#threshold-value");
const status = document.querySelector("#status");
const canvas = document.querySelector("#heat-map");
const table = document.querySelector("#events tbody");

const loading = Detector.load("./model", self.crossOriginIsolated ? navigator.hardwareConcurrency : 1);
const texts = new Map();
let recording = null;
let latest = 0;

loading.then(
  () => say("Ready: drop a recording."),
  (error) => say(error.message),
);

drop.addEventListener("dragover", (event) => event.preventDefault());
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) open(event.dataTransfer.files[0]);
});
fileInput.addEventListener("change", () => fileInput.files.length && open(fileInput.files[0]));
prompts.addEventListener("input", show);
threshold.addEventListener("input", show);

async function open(file) {
  try {
    const detector = await loading;
    say(`Decoding ${file.name} ...`);
    const context = new OfflineAudioContext(1, 1, detector.sampleRate);
    const decoded = await context.decodeAudioData(await file.arrayBuffer());
    const waveform = new Float32Array(decoded.length);
    for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
      decoded.getChannelData(channel).forEach((sample, i) => (waveform[i] += sample / decoded.numberOfChannels));
    }
    const start = performance.now();
    const frames = await detector.embedFrames(waveform, (share) => say(`Listening: ${Math.round(100 * share)} %`));
    recording = { name: file.name, frames, durationS: waveform.length / detector.sampleRate };
    await show();
    say(`${file.name}: ${recording.durationS.toFixed(1)} s heard in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  } catch (error) {
    say(`${file.name}: ${error.message}`);
  }
}

async function show() {
  thresholdValue.textContent = threshold.value;
  if (!recording) return;
  const mine = ++latest;
  const detector = await loading;
  const rows = [];
  for (const prompt of prompts.value.split("\n").map((line) => line.trim()).filter(Boolean)) {
    try {
      if (!texts.has(prompt)) texts.set(prompt, await detector.embedText(prompt));
    } catch (error) {
      say(error.message);
      continue;
    }
    const scores = detector.score(recording.frames, texts.get(prompt));
    rows.push({ prompt, scores, events: detector.events(scores, recording.durationS, Number(threshold.value)) });
  }
  if (mine !== latest) return; // somebody typed on meanwhile
  draw(rows);
  list(rows);
}

function list(rows) {
  const events = rows.flatMap(({ prompt, events }) => events.map((event) => ({ ...event, prompt })));
  events.sort((a, b) => a.onset_s - b.onset_s || a.offset_s - b.offset_s);
  table.replaceChildren(
    ...events.map((event) => {
      const row = document.createElement("tr");
      for (const text of [event.onset_s.toFixed(2), event.offset_s.toFixed(2), event.prompt, event.max.toFixed(3)]) {
        row.appendChild(document.createElement("td")).textContent = text;
      }
      return row;
    }),
  );
  document.body.dataset.events = JSON.stringify(events);
}

function draw(rows) {
  const rowHeight = 28;
  const labels = 170;
  canvas.width = canvas.clientWidth * devicePixelRatio;
  canvas.height = Math.max(rows.length, 1) * rowHeight * devicePixelRatio;
  canvas.style.height = `${Math.max(rows.length, 1) * rowHeight}px`;
  const context = canvas.getContext("2d");
  context.scale(devicePixelRatio, devicePixelRatio);
  const width = canvas.clientWidth - labels;
  rows.forEach(({ prompt, scores, events }, i) => {
    const y = i * rowHeight;
    context.fillStyle = "#222";
    context.font = "14px system-ui, sans-serif";
    context.fillText(prompt, 4, y + 18, labels - 12);
    for (let x = 0; x < width; x++) {
      const from = Math.floor((x / width) * scores.length);
      const to = Math.max(from + 1, Math.floor(((x + 1) / width) * scores.length));
      let highest = 0;
      for (let frame = from; frame < to; frame++) highest = Math.max(highest, scores[frame]);
      // 0.5 is a cosine of 0: nothing to show
      context.fillStyle = `rgb(180 60 20 / ${Math.max(0, 2 * highest - 1) ** 2})`;
      context.fillRect(labels + x, y + 4, 1, rowHeight - 8);
    }
    context.strokeStyle = "#111";
    context.lineWidth = 1.5;
    for (const { onset_s, offset_s } of events) {
      const x = labels + (onset_s / recording.durationS) * width;
      context.strokeRect(x, y + 3, ((offset_s - onset_s) / recording.durationS) * width, rowHeight - 6);
    }
  });
}

function say(text) {
  status.textContent = text;
}
