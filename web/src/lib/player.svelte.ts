// Plays the server's WAV view of a recording: a position is exact in every format, and nothing is decoded whole.

export class Player {
  time_s = $state(0);
  playing = $state(false);
  rate = $state(1);
  error = $state("");
  private audio = new Audio();
  private stop_s = Infinity;
  private loop: [number, number] | null = null;

  constructor() {
    this.audio.preload = "none";
    this.audio.preservesPitch = true;
    this.audio.onplay = () => {
      this.playing = true;
      requestAnimationFrame(this.tick);
    };
    this.audio.onpause = this.audio.onended = () => (this.playing = false);
    this.audio.onerror = () => this.audio.getAttribute("src") && (this.error = "This recording can't be played.");
  }

  open(url: string): void {
    this.pause();
    this.error = "";
    this.time_s = 0;
    if (url) this.audio.src = url;
    else this.audio.removeAttribute("src");
  }

  // As open(), unless it is open already.
  use(url: string): void {
    if (this.audio.getAttribute("src") !== url) this.open(url);
  }

  private tick = (): void => {
    this.time_s = this.audio.currentTime;
    if (this.audio.currentTime >= this.stop_s) {
      if (this.loop) this.audio.currentTime = this.loop[0];
      else {
        this.audio.pause();
        this.time_s = this.stop_s;
      }
    }
    if (!this.audio.paused) requestAnimationFrame(this.tick);
  };

  seek(seconds: number): void {
    this.time_s = Math.max(0, seconds);
    if (this.audio.getAttribute("src")) this.audio.currentTime = this.time_s;
  }

  play(from_s?: number, to_s = Infinity, looped = false): void {
    if (!this.audio.getAttribute("src")) return;
    if (from_s !== undefined) this.seek(from_s);
    this.stop_s = to_s;
    this.loop = looped && from_s !== undefined ? [from_s, to_s] : null;
    this.audio.playbackRate = this.rate;
    this.audio.play().catch((error: DOMException) => {
      if (error.name !== "AbortError") this.error = "The browser did not play it: " + error.message;
    });
  }

  pause(): void {
    this.audio.pause();
  }

  toggle(): void {
    if (this.playing) this.pause();
    else this.play();
  }

  setRate(rate: number): void {
    this.rate = rate;
    this.audio.playbackRate = rate;
  }
}
