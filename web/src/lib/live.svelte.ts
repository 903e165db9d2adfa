// The microphone to the server, and what it hears back.

import type { SoundEvent, What } from "./api";

export interface Heard extends SoundEvent {
  at: Date;
  isOpen: boolean;
}

const MAX_HEARD = 500;
const HISTORY_S = 30;

export class LiveSession {
  state = $state<"off" | "starting" | "on">("off");
  error = $state("");
  level_db = $state(-100);
  end_s = $state(0);
  latency_s = $state(0);
  heard = $state.raw<Heard[]>([]);
  prompts: string[] = [];
  frames: number[][] = []; // scores of the last half minute, a row for each frame
  hop_s = 0.08;
  private socket: WebSocket | null = null;
  private context: AudioContext | null = null;
  private stream: MediaStream | null = null;
  private startedAt = 0;

  async start(what: What): Promise<void> {
    this.stop();
    this.state = "starting";
    this.error = "";
    this.prompts = what.prompts;
    this.frames = [];
    this.heard = [];
    this.end_s = 0;
    try {
      const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      this.stream = await navigator.mediaDevices.getUserMedia({ audio });
      this.context = new AudioContext();
      await this.context.audioWorklet.addModule("/recorder.js");
      const node = new AudioWorkletNode(this.context, "recorder");
      this.context.createMediaStreamSource(this.stream).connect(node);
      await this.connect(what, node, this.context.sampleRate);
    } catch (error) {
      this.stop();
      this.error = `The microphone can't be heard: ${(error as Error).message}`;
    }
  }

  private connect(what: What, node: AudioWorkletNode, sample_rate: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const scheme = location.protocol === "https:" ? "wss:" : "ws:";
      const socket = (this.socket = new WebSocket(`${scheme}//${location.host}/v1/live`));
      socket.binaryType = "arraybuffer";
      socket.onopen = () => socket.send(JSON.stringify({ ...what, sample_rate }));
      socket.onerror = () => reject(new Error("the server closed the connection"));
      socket.onclose = () => {
        if (this.socket === socket) this.stop();
      };
      socket.onmessage = (message) => {
        const answer = JSON.parse(message.data);
        if (answer.type === "started") {
          this.hop_s = answer.hop_s;
          this.latency_s = answer.latency_s;
          this.state = "on";
          this.startedAt = Date.now();
          node.port.onmessage = (samples: MessageEvent<Float32Array>) => this.send(samples.data);
          resolve();
        } else this.take(answer);
      };
    });
  }

  private send(samples: Float32Array): void {
    let sum = 0;
    for (const sample of samples) sum += sample * sample;
    this.level_db = 10 * Math.log10(sum / samples.length + 1e-10);
    // a slow server loses sound rather than the page its memory
    if (this.socket?.readyState === WebSocket.OPEN && this.socket.bufferedAmount < 4e6) this.socket.send(samples);
  }

  private take(answer: any): void {
    if (answer.type === "error") this.error = answer.detail;
    else if (answer.type === "scores") {
      this.frames.push(...answer.scores);
      this.frames.splice(0, this.frames.length - Math.ceil(HISTORY_S / this.hop_s));
      this.end_s = answer.start_s + answer.scores.length * this.hop_s;
    } else if (answer.type === "onset") {
      const at = new Date(this.startedAt + 1000 * answer.onset_s);
      const heard = { ...answer, offset_s: answer.onset_s, mean_score: null, max_score: null, at, isOpen: true };
      this.heard = [heard, ...this.heard].slice(0, MAX_HEARD);
    } else if (answer.type === "event") {
      const at = new Date(this.startedAt + 1000 * answer.onset_s);
      const others = this.heard.filter((item) => !(item.prompt === answer.prompt && item.onset_s === answer.onset_s));
      this.heard = [{ ...answer, at, isOpen: false }, ...others].sort((a, b) => b.onset_s - a.onset_s);
    }
  }

  stop(): void {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    void this.context?.close();
    this.stream = this.context = null;
    this.state = "off";
  }
}
