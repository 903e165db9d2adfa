// The state of the page: a recording, prompts with their rules, and the events that follow from both.

import {
  ApiError,
  type Preset,
  postJson,
  type RecordingInfo,
  removeRecording,
  type Rule,
  type Settings,
  type SoundEvent,
  upload,
  watchProgress,
  type What,
} from "./api";
import { Player } from "./player.svelte";
import { load, save } from "./storage";
import { type Span, TileCache, topLevel } from "./tiles";
import { View } from "./view.svelte";

const PROMPTS_PER_REQUEST = 40;

export interface PromptState {
  text: string;
  threshold: number | null;
  known?: Rule; // what a prompts file or a review says beside the threshold
}

interface EventsAnswer {
  events: SoundEvent[];
  rules: Record<string, Required<Rule>>;
  is_complete: boolean;
}

export class Session {
  settings = $state<Settings | null>(null);
  recording = $state<RecordingInfo | null>(null);
  prompts = $state<PromptState[]>(load("prompts", []));
  draft = $state("");
  negatives = $state<string[]>(load("negatives", []));
  events = $state.raw<Record<string, SoundEvent[]>>({}); // thousands: replaced, never changed
  rules = $state<Record<string, Required<Rule>>>({});
  selected = $state<string | null>(null);
  span = $state<[number, number] | null>(null);
  uploading = $state<number | null>(null);
  message = $state("");
  private arrivals = $state(0);
  view = new View();
  player = new Player();
  tiles: TileCache | null = null;
  private uploadAbort: AbortController | null = null;
  private unwatch: (() => void) | null = null;
  private asked: Record<string, number> = {};
  private refreshedAt_s = 0;
  private grownAt = 0;

  // All rows: the fixed prompts, and the one that is being typed.
  get rows(): PromptState[] {
    const draft = this.draft.trim();
    const isNew = draft && !this.prompts.some((prompt) => prompt.text === draft) && !this.negatives.includes(draft);
    return isNew ? [{ text: draft, threshold: null }, ...this.prompts] : this.prompts;
  }

  // Sorted once for each change: the overview asks for them whenever a tile arrives.
  allEvents = $derived.by((): SoundEvent[] => {
    const shown = new Set(this.rows.map((row) => row.text));
    return Object.entries(this.events)
      .filter(([prompt]) => shown.has(prompt))
      .flatMap(([, events]) => events)
      .sort((a, b) => a.onset_s - b.onset_s || a.offset_s - b.offset_s);
  });

  what(rows = this.rows): What {
    const rules: Record<string, Rule> = {};
    for (const row of rows) {
      const threshold = row.threshold === null ? {} : { threshold: row.threshold };
      if (row.known || row.threshold !== null) rules[row.text] = { ...row.known, ...threshold };
    }
    const n_together = Math.max(1, this.prompts.length, rows.length);
    return { prompts: rows.map((row) => row.text), suppress: this.suppressFor(rows), rules, n_together };
  }

  private suppressFor(rows: PromptState[]): string[] {
    return this.negatives.filter((text) => !rows.some((row) => row.text === text));
  }

  // --- recordings

  async openFile(file: File): Promise<void> {
    this.close();
    const limit = this.settings?.max_upload_mb ?? Infinity;
    if (file.size > limit * 1e6) {
      this.message = `${file.name} has ${Math.round(file.size / 1e6)} MB; this server takes ${limit} MB.`;
      return;
    }
    const abort = (this.uploadAbort = new AbortController());
    this.uploading = 0;
    await this.attempt(async () => {
      const info = await upload(file, (share) => (this.uploading = share), abort.signal);
      this.show(info);
    });
    this.uploading = null;
  }

  async openDemo(demo: string): Promise<void> {
    this.close();
    await this.attempt(async () => this.show(await postJson<RecordingInfo>("/v1/recordings/open", { demo })));
  }

  async openPath(path: string): Promise<void> {
    this.close();
    await this.attempt(async () => this.show(await postJson<RecordingInfo>("/v1/recordings/open", { path })));
  }

  async reopen(): Promise<void> {
    const id = load<string | null>("recording", null);
    if (!id) return;
    try {
      this.show(await postJson<RecordingInfo>("/v1/recordings/open", { id }));
    } catch {
      save("recording", null);
    }
  }

  close(): void {
    this.unwatch?.();
    this.tiles?.close();
    this.player.open("");
    this.recording = this.tiles = this.span = null;
    this.events = {};
    this.message = "";
  }

  async cancel(): Promise<void> {
    this.uploadAbort?.abort();
    const id = this.recording?.id;
    this.close();
    save("recording", null);
    if (id) await this.attempt(() => removeRecording(id));
  }

  show(info: RecordingInfo): void {
    save("recording", info.id);
    this.tiles = new TileCache(info.id, () => this.announce());
    this.refreshedAt_s = 0;
    this.unwatch = watchProgress(info.id, (latest) => this.progress(latest));
    this.progress(info);
  }

  private progress(info: RecordingInfo): void {
    const before = this.recording;
    // all that is drawn depends on the recording: while it grows, once a second is enough
    const isSame = before?.id === info.id && before.state === info.state && before.duration_s === info.duration_s;
    if (isSame && Date.now() - this.grownAt < 1000) return;
    this.grownAt = Date.now();
    this.recording = info;
    if (info.duration_s !== this.view.duration_s || before?.id !== info.id) {
      this.view.duration_s = info.duration_s;
      if (before?.id !== info.id || !before.duration_s) this.view.fit();
    }
    if (before?.id !== info.id || (!before.n_peaks && info.n_peaks)) {
      this.player.open(info.duration_s ? `/v1/recordings/${info.id}/audio.wav` : "");
    }
    if (info.state === "failed") this.message = `${info.name}: ${info.error}`;
    if (before && info.n_frames !== before.n_frames) this.tiles?.markIncomplete();
    this.announce();
    // events of a part are worth a request every few seconds of waiting
    const isDue = info.state === "ready" || info.analysed_s > 1.5 * this.refreshedAt_s + 30;
    if (isDue && info.n_frames && (before?.n_frames !== info.n_frames || before?.state !== info.state)) {
      this.refreshedAt_s = info.analysed_s;
      void this.refresh();
    }
  }

  // --- prompts

  addPrompts(texts: string[]): void {
    const known = new Set(this.prompts.map((prompt) => prompt.text));
    const fresh = [...new Set(texts.map((text) => text.trim()))].filter((text) => text && !known.has(text));
    const limit = this.settings?.max_prompts ?? 500;
    if (this.prompts.length + fresh.length > limit) {
      this.message = `This server takes at most ${limit} prompts.`;
      return;
    }
    this.prompts = [...this.prompts, ...fresh.map((text) => ({ text, threshold: null }))];
    this.negatives = this.negatives.filter((text) => !fresh.includes(text));
    this.draft = "";
    this.remember();
    void this.refresh(); // of all: thresholds depend on how many there are
  }

  usePreset(presets: Preset[]): void {
    this.prompts = presets.map((preset) => ({
      text: preset.prompt,
      threshold: preset.threshold ?? null,
      known: {
        min_duration_s: preset.min_duration_s ?? undefined,
        alternatives: preset.alternatives ?? [],
        negatives: preset.negatives ?? [],
        probability: preset.probability ?? undefined,
      },
    }));
    this.tiles?.forget("row|");
    this.remember();
    this.announce();
    void this.refresh();
  }

  setRule(text: string, rule: Rule): void {
    const target = this.prompts.find((prompt) => prompt.text === text);
    if (!target) return;
    target.threshold = rule.threshold ?? null;
    target.known = { ...target.known, probability: rule.probability };
    this.remember();
    void this.refresh([target]);
  }

  removePrompt(text: string): void {
    this.prompts = this.prompts.filter((prompt) => prompt.text !== text);
    this.events = Object.fromEntries(Object.entries(this.events).filter(([prompt]) => prompt !== text));
    this.remember();
    void this.refresh();
  }

  clearPrompts(): void {
    this.prompts = [];
    this.events = {};
    this.remember();
  }

  setNegatives(texts: string[]): void {
    this.negatives = texts.filter((text) => !this.prompts.some((prompt) => prompt.text === text));
    this.tiles?.forget("row|");
    this.announce();
    this.remember();
    void this.refresh();
  }

  setThreshold(row: PromptState, threshold: number | null): void {
    const target = this.prompts.find((prompt) => prompt.text === row.text);
    if (!target) return;
    target.threshold = threshold;
    this.remember();
    void this.refresh([target]);
  }

  private remember(): void {
    save("prompts", this.prompts);
    save("negatives", this.negatives);
  }

  // --- events

  // The answer to the last question about a prompt counts, whatever order answers arrive in.
  async refresh(rows = this.rows): Promise<void> {
    const recording = this.recording;
    if (!recording?.n_frames || recording.state === "failed") return;
    for (let at = 0; at < rows.length; at += PROMPTS_PER_REQUEST) {
      const group = rows.slice(at, at + PROMPTS_PER_REQUEST);
      const tickets = group.map((row) => (this.asked[row.text] = (this.asked[row.text] ?? 0) + 1));
      await this.attempt(async () => {
        const answer = await postJson<EventsAnswer>(`/v1/recordings/${recording.id}/events`, this.what(group));
        if (this.recording?.id !== recording.id) return;
        const events = { ...this.events };
        group.forEach((row, place) => {
          if (this.asked[row.text] !== tickets[place]) return;
          events[row.text] = answer.events.filter((event) => event.prompt === row.text);
          this.rules[row.text] = answer.rules[row.text];
        });
        this.events = events;
      });
    }
  }

  private announced = false;

  // Redraw once for all that arrives before the next frame.
  private announce(): void {
    if (this.announced) return;
    this.announced = true;
    requestAnimationFrame(() => {
      this.announced = false;
      this.arrivals += 1;
    });
  }

  // The tiles, for an effect that is to run again whenever some arrive.
  arrivedTiles(): TileCache | null {
    return this.arrivals >= 0 ? this.tiles : null;
  }

  // Rows ask one by one while they are drawn; all that ask in one frame share a request.
  private heatAsked = new Map<string, { span: Span; prompts: Set<string> }>();

  wantHeat(prompt: string, span: Span): void {
    if (!this.heatAsked.size) queueMicrotask(() => requestAnimationFrame(() => this.sendHeat()));
    const key = `${span.level}|${span.first}|${span.last}`;
    const asked = this.heatAsked.get(key) ?? { span, prompts: new Set<string>() };
    asked.prompts.add(prompt);
    this.heatAsked.set(key, asked);
  }

  private sendHeat(): void {
    for (const { span, prompts } of this.heatAsked.values()) {
      const rows = this.rows.filter((row) => prompts.has(row.text));
      this.tiles?.wantHeat([...prompts], this.what(rows), span.level, span.first, span.last);
    }
    this.heatAsked.clear();
    this.tiles?.flush();
  }

  topLevels(): { heat: number; spectrogram: number; peaks: number } {
    const info = this.recording!;
    return {
      heat: topLevel(info, info.hop_s),
      spectrogram: topLevel(info, info.column_s),
      peaks: topLevel(info, info.peak_s),
    };
  }

  async attempt(action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return;
      this.message = error instanceof ApiError || error instanceof Error ? error.message : String(error);
    }
  }

  playEvent(event: SoundEvent): void {
    this.view.reveal(event.onset_s, true);
    this.player.play(Math.max(0, event.onset_s - 0.3), event.offset_s + 0.3);
  }

  // A cell of the heat map: its event if there is one, else a second from there.
  playAt(prompt: string, seconds: number): void {
    const event = (this.events[prompt] ?? []).find((item) => item.onset_s <= seconds && seconds < item.offset_s);
    if (event) this.playEvent(event);
    else this.player.play(Math.max(0, seconds - 0.25), seconds + 1.25);
  }
}
