// Tiles of 256 columns from the server: what is missing is asked for, what is near enough is shown meanwhile.

import { getBytes, post, type RecordingInfo, type What } from "./api";

export const TILE = 256;
const MAX_TILES = 6000;
const MAX_IN_FLIGHT = 4;
const MAX_PROMPTS_PER_REQUEST = 60;

export interface Tile {
  values: Uint8Array;
  columns: number;
  stale: boolean;
  canvas?: OffscreenCanvas;
  shade?: string;
}

interface Request {
  key: string;
  run: (signal: AbortSignal) => Promise<void>;
}

export class TileCache {
  private tiles = new Map<string, Tile>();
  private wanted: Request[] = [];
  private flying = new Map<string, AbortController>();
  private epoch = 0;

  constructor(
    private id: string,
    private onChange: () => void,
  ) {}

  get(key: string): Tile | undefined {
    return this.tiles.get(key);
  }

  // A growing recording: tiles that were not full are asked for again, and shown as they are until then.
  markIncomplete(): void {
    for (const tile of this.tiles.values()) if (tile.columns < TILE) tile.stale = true;
  }

  forget(prefix: string): void {
    for (const key of this.tiles.keys()) if (key.startsWith(prefix)) this.tiles.delete(key);
    this.epoch += 1;
  }

  close(): void {
    this.wanted = [];
    this.epoch += 1;
    for (const controller of this.flying.values()) controller.abort();
  }

  private missing(key: string): boolean {
    const tile = this.tiles.get(key);
    return !tile || tile.stale;
  }

  private keep(key: string, tile: Tile): void {
    this.tiles.delete(key);
    this.tiles.set(key, tile);
    if (this.tiles.size > MAX_TILES) this.tiles.delete(this.tiles.keys().next().value!);
  }

  // Ask for what is missing of the tiles in sight; requests that are no longer wanted are dropped before they start.
  want(kind: "spectrogram" | "peaks", level: number, first: number, last: number, rows: number): void {
    for (let index = first; index <= last; index++) {
      const key = `${kind}|${level}|${index}`;
      if (!this.missing(key) || this.flying.has(key)) continue;
      this.wanted.push({
        key,
        run: async (signal) => {
          const values = await getBytes(`/v1/recordings/${this.id}/${kind}/${level}/${index}`, signal);
          this.keep(key, { values, columns: values.length / rows, stale: false });
        },
      });
    }
  }

  wantHeat(prompts: string[], what: What, level: number, first: number, last: number): void {
    for (let index = first; index <= last; index++) {
      const lacking = prompts.filter((prompt) => this.missing(heatKey(prompt, level, index)));
      for (let at = 0; at < lacking.length; at += MAX_PROMPTS_PER_REQUEST) {
        const group = lacking.slice(at, at + MAX_PROMPTS_PER_REQUEST);
        const key = `heat|${level}|${index}|${group.join("\n")}`;
        if (this.flying.has(key)) continue;
        this.wanted.push({ key, run: (signal) => this.fetchHeat(group, what, level, index, signal) });
      }
    }
  }

  private async fetchHeat(prompts: string[], what: What, level: number, tile: number, signal: AbortSignal) {
    const epoch = this.epoch;
    const rules = Object.fromEntries(Object.entries(what.rules).filter(([prompt]) => prompts.includes(prompt)));
    const body = { prompts, suppress: what.suppress, rules, level, tile };
    const response = await post(`/v1/recordings/${this.id}/heatmap`, body, signal);
    const columns = Number(response.headers.get("x-columns"));
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (epoch !== this.epoch) return;
    prompts.forEach((prompt, row) => {
      const values = bytes.subarray(row * columns, (row + 1) * columns);
      this.keep(heatKey(prompt, level, tile), { values, columns, stale: false });
    });
  }

  // Start what was asked for since the last call, and forget what was asked for before and has not started.
  flush(): void {
    const queue = this.wanted;
    this.wanted = [];
    for (const request of queue) {
      if (this.flying.size >= MAX_IN_FLIGHT) break;
      if (this.flying.has(request.key)) continue;
      const controller = new AbortController();
      this.flying.set(request.key, controller);
      request
        .run(controller.signal)
        .catch(() => new Promise((resolve) => setTimeout(resolve, 1000)))
        .finally(() => {
          this.flying.delete(request.key);
          this.onChange();
        });
    }
  }
}

export const heatKey = (prompt: string, level: number, tile: number): string => `row|${prompt}|${level}|${tile}`;

export function levelFor(unitsPerPx: number): number {
  return Math.max(0, Math.floor(Math.log2(Math.max(unitsPerPx, 1))));
}

export interface Span {
  level: number;
  first: number;
  last: number;
}

export function tilesInSight(start_s: number, end_s: number, unit_s: number, s_per_px: number, units: number): Span {
  const level = levelFor(s_per_px / unit_s);
  const tile_s = unit_s * TILE * 2 ** level;
  const first = Math.max(0, Math.floor(start_s / tile_s));
  return { level, first, last: Math.min(lastTile(units, level), Math.floor(end_s / tile_s)) };
}

export const lastTile = (units: number, level: number): number => Math.max(0, Math.ceil(units / (TILE * 2 ** level)) - 1);

export function topLevel(info: RecordingInfo, unit_s: number): number {
  return levelFor(info.duration_s / unit_s / 600);
}
