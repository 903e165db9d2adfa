// Runs beside the page: hands the microphone's samples on, a tenth of a second at a time.
class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.held = new Float32Array(Math.round(sampleRate / 10));
    this.length = 0;
  }

  process([channels]) {
    if (!channels.length) return true;
    for (let place = 0; place < channels[0].length; place++) {
      let sum = 0;
      for (const channel of channels) sum += channel[place];
      this.held[this.length++] = sum / channels.length;
      if (this.length === this.held.length) {
        this.port.postMessage(this.held.slice());
        this.length = 0;
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
