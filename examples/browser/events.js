// From frame scores to events, as flam.detection.binarize does it: median filter, two thresholds, merging, shortest
// duration.

const LOW_SHARE = 0.85;

// scores: Float32Array of one prompt, one value a frame -> [{ onset_s, offset_s, mean, max }]
export function findEvents(scores, hopS, durationS, { threshold, median_s, min_duration_s, merge_gap_s }) {
  const low = LOW_SHARE * threshold;
  const smoothed = median(scores, 2 * Math.floor(median_s / hopS / 2 + 1e-6) + 1);
  const runs = [];
  for (let start = 0; start < smoothed.length; start++) {
    if (smoothed[start] < low) continue;
    let end = start;
    let max = 0;
    for (; end < smoothed.length && smoothed[end] >= low; end++) max = Math.max(max, smoothed[end]);
    if (max >= threshold) {
      const before = runs.at(-1);
      if (before && start - before.end <= Math.floor(merge_gap_s / hopS + 1e-6)) {
        before.end = end;
        before.max = Math.max(before.max, max);
      } else runs.push({ start, end, max });
    }
    start = end;
  }
  return runs
    .filter(({ start, end }) => end - start >= Math.ceil(min_duration_s / hopS - 1e-6))
    .map(({ start, end, max }) => ({
      onset_s: start * hopS,
      offset_s: Math.min(end * hopS, durationS),
      mean: smoothed.slice(start, end).reduce((sum, score) => sum + score, 0) / (end - start),
      max,
    }));
}

function median(values, n) {
  const half = (n - 1) / 2;
  const last = values.length - 1;
  return Float32Array.from(values, (_, i) => {
    const around = Array.from({ length: n }, (_, k) => values[Math.min(Math.max(i + k - half, 0), last)]);
    return around.sort((a, b) => a - b)[half];
  });
}
