// Log-mel spectrogram, as flam.audio.logmel computes it: Hann windows of 1024 samples, 10 ms apart, reflected at both
// ends; 64 bands of Slaney's mel scale; 10 log10 of the power, at least 1e-10.

const POWER_FLOOR = 1e-10;

export class LogMel {
  constructor({ sample_rate, n_fft, hop_samples, n_mels, fmin_hz, fmax_hz }) {
    this.size = n_fft;
    this.hop = hop_samples;
    this.bands = n_mels;
    this.window = Float64Array.from({ length: n_fft }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / n_fft));
    this.filters = melFilters(sample_rate, n_fft, n_mels, fmin_hz, fmax_hz);
    this.cosines = Float64Array.from({ length: n_fft / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / n_fft));
    this.sines = Float64Array.from({ length: n_fft / 2 }, (_, i) => Math.sin((2 * Math.PI * i) / n_fft));
  }

  // waveform: Float32Array of N samples -> Float32Array of (1 + floor(N / hop)) x bands, row by row
  transform(waveform) {
    const { size, hop, bands } = this;
    const half = size / 2;
    const nFrames = 1 + Math.floor(waveform.length / hop);
    const result = new Float32Array(nFrames * bands);
    const real = new Float64Array(size);
    const imaginary = new Float64Array(size);
    const power = new Float64Array(half + 1);
    for (let frame = 0; frame < nFrames; frame++) {
      for (let i = 0; i < size; i++) {
        real[i] = waveform[reflected(frame * hop + i - half, waveform.length)] * this.window[i];
      }
      imaginary.fill(0);
      this.fft(real, imaginary);
      for (let bin = 0; bin <= half; bin++) power[bin] = real[bin] ** 2 + imaginary[bin] ** 2;
      for (let band = 0; band < bands; band++) {
        const { first, weights } = this.filters[band];
        let sum = 0;
        for (let i = 0; i < weights.length; i++) sum += weights[i] * power[first + i];
        result[frame * bands + band] = 10 * Math.log10(Math.max(sum, POWER_FLOOR));
      }
    }
    return result;
  }

  // in place, radix 2
  fft(real, imaginary) {
    const n = this.size;
    for (let i = 1, j = 0; i < n; i++) {
      let bit = n >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) {
        [real[i], real[j]] = [real[j], real[i]];
        [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
      }
    }
    for (let length = 2; length <= n; length <<= 1) {
      const half = length >> 1;
      const stride = n / length;
      for (let start = 0; start < n; start += length) {
        for (let k = 0; k < half; k++) {
          const cosine = this.cosines[k * stride];
          const sine = -this.sines[k * stride];
          const a = start + k;
          const b = a + half;
          const re = real[b] * cosine - imaginary[b] * sine;
          const im = real[b] * sine + imaginary[b] * cosine;
          real[b] = real[a] - re;
          imaginary[b] = imaginary[a] - im;
          real[a] += re;
          imaginary[a] += im;
        }
      }
    }
  }
}

function reflected(index, length) {
  const last = length - 1;
  if (index < 0) return Math.min(-index, last);
  return index > last ? Math.max(2 * last - index, 0) : index;
}

function melFilters(sampleRate, nFft, nMels, fminHz, fmaxHz) {
  const lowest = hzToMel(fminHz);
  const step = (hzToMel(fmaxHz) - lowest) / (nMels + 1);
  const edges = Array.from({ length: nMels + 2 }, (_, i) => melToHz(lowest + i * step));
  return Array.from({ length: nMels }, (_, band) => {
    const [left, centre, right] = edges.slice(band, band + 3);
    const weights = [];
    let first = -1;
    for (let bin = 0; bin <= nFft / 2; bin++) {
      const hz = (bin * sampleRate) / nFft;
      const height = Math.min((hz - left) / (centre - left), (right - hz) / (right - centre));
      if (height > 0) {
        if (first < 0) first = bin;
        weights.push(height * (2 / (right - left)));
      }
    }
    return { first: Math.max(first, 0), weights };
  });
}

// Slaney's scale: linear up to 1 kHz, then 27 mels for each factor of 6.4
const HZ_PER_MEL = 200 / 3;
const BREAK_HZ = 1000;
const BREAK_MEL = BREAK_HZ / HZ_PER_MEL;
const LOG_STEP = Math.log(6.4) / 27;

function hzToMel(hz) {
  return hz < BREAK_HZ ? hz / HZ_PER_MEL : BREAK_MEL + Math.log(hz / BREAK_HZ) / LOG_STEP;
}

function melToHz(mel) {
  return mel < BREAK_MEL ? mel * HZ_PER_MEL : BREAK_HZ * Math.exp(LOG_STEP * (mel - BREAK_MEL));
}
