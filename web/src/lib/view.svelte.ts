// What part of the recording is shown.

export const MIN_S_PER_PX = 0.0005;

export class View {
  start_s = $state(0);
  s_per_px = $state(0.05);
  width = $state(800);
  duration_s = $state(0);

  get end_s(): number {
    return this.start_s + this.width * this.s_per_px;
  }

  get isFitted(): boolean {
    return this.width * this.s_per_px >= this.duration_s * 0.999;
  }

  px(seconds: number): number {
    return (seconds - this.start_s) / this.s_per_px;
  }

  seconds(px: number): number {
    return this.start_s + px * this.s_per_px;
  }

  fit(): void {
    this.start_s = 0;
    this.s_per_px = Math.max(MIN_S_PER_PX, (this.duration_s || 1) / Math.max(1, this.width));
  }

  zoom(factor: number, atPx = this.width / 2): void {
    const at_s = this.seconds(atPx);
    const widest = Math.max(MIN_S_PER_PX, this.duration_s / this.width);
    this.s_per_px = Math.min(widest, Math.max(MIN_S_PER_PX, this.s_per_px * factor));
    this.moveTo(at_s - atPx * this.s_per_px);
  }

  moveTo(start_s: number): void {
    const last = Math.max(0, this.duration_s - this.width * this.s_per_px);
    this.start_s = Math.min(last, Math.max(0, start_s));
  }

  pan(px: number): void {
    this.moveTo(this.start_s + px * this.s_per_px);
  }

  resize(width: number): void {
    const wasFitted = this.isFitted;
    this.width = Math.max(50, width);
    if (wasFitted) this.fit();
    else this.zoom(1);
  }

  // Bring a time into sight: paging while playing, centring for a jump.
  reveal(seconds: number, centre = false): void {
    const span = this.width * this.s_per_px;
    if (seconds >= this.start_s && seconds <= this.end_s - span * 0.02) return;
    this.moveTo(centre ? seconds - span / 2 : seconds - span * 0.1);
  }
}
