// Drawing a view of a recording from tiles: ruler, waveform, spectrogram, a row of the heat map.

import type { RecordingInfo, SoundEvent } from "./api";
import { heatColours, spectrogramColours, type Theme } from "./palette";
import { heatKey, levelFor, TILE, type Tile, TileCache, tilesInSight } from "./tiles";
import { clock, tickStep } from "./time";

// The part of a View that drawing needs.
export interface Sight {
  start_s: number;
  end_s: number;
  s_per_px: number;
  width: number;
}

export interface Look {
  theme: Theme;
  floor: number;
  ceiling: number;
  lowRow: number;
  highRow: number;
}

const px = (view: Sight, seconds: number): number => (seconds - view.start_s) / view.s_per_px;
const secondsAt = (view: Sight, x: number): number => view.start_s + x * view.s_per_px;

// A colour of app.css as it is in a theme.
export function colour(name: string, theme: Theme): string {
  const root = document.documentElement;
  if (root.dataset.theme !== theme) root.dataset.theme = theme;
  return getComputedStyle(root).getPropertyValue(name).trim();
}

export function drawRuler(context: CanvasRenderingContext2D, view: Sight, theme: Theme, top: number, height: number): void {
  const step = tickStep(view.s_per_px);
  context.fillStyle = colour("--faint", theme);
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "top";
  for (let tick = Math.ceil(view.start_s / step) * step; tick <= view.end_s; tick += step) {
    const x = Math.round(px(view, tick));
    context.fillRect(x, top + height - 5, 1, 5);
    context.fillText(clock(tick, step < 1 ? 1 : 0), x + 3, top + 2);
  }
}

// The tile that holds a unit at the wanted level or, while that is on its way, at a coarser one.
function tileAt(cache: TileCache, key: (level: number, tile: number) => string, level: number, unit: number) {
  for (let up = 0; up <= 12; up++) {
    const size = 2 ** (level + up);
    const tile = cache.get(key(level + up, Math.floor(unit / (TILE * size))));
    if (tile) return { tile, size };
  }
  return undefined;
}

// The same for unit after unit: the keys of tiles are only made where a new tile begins.
function tileFinder(cache: TileCache, key: (level: number, tile: number) => string, level: number) {
  let index = -1;
  let found: ReturnType<typeof tileAt>;
  return (unit: number) => {
    const wanted = Math.floor(unit / (TILE * 2 ** level));
    if (wanted !== index) [index, found] = [wanted, tileAt(cache, key, level, unit)];
    return found;
  };
}

export function drawWaveform(
  context: CanvasRenderingContext2D,
  cache: TileCache,
  info: RecordingInfo,
  view: Sight,
  theme: Theme,
  top: number,
  height: number,
): void {
  const level = levelFor(view.s_per_px / info.peak_s);
  const middle = top + height / 2;
  const find = tileFinder(cache, (at, tile) => `peaks|${at}|${tile}`, level);
  context.fillStyle = colour("--wave", theme);
  for (let x = 0; x < view.width; x++) {
    const unit = Math.floor(secondsAt(view, x) / info.peak_s);
    const last = Math.max(unit + 1, Math.floor(secondsAt(view, x + 1) / info.peak_s));
    const found = find(unit);
    if (!found) continue;
    let low = 127;
    let high = -127;
    for (let at = unit; at < last; at += found.size) {
      const place = Math.floor(at / found.size) % TILE;
      if (place >= found.tile.columns) break;
      low = Math.min(low, (found.tile.values[2 * place] << 24) >> 24);
      high = Math.max(high, (found.tile.values[2 * place + 1] << 24) >> 24);
    }
    if (high < low) continue;
    const y = middle - (high / 127) * (height / 2);
    context.fillRect(x, y, 1, Math.max(1, ((high - low) / 127) * (height / 2)));
  }
}

function shaded(tile: Tile, rows: number, look: Look): OffscreenCanvas {
  const shade = `${look.theme}${look.floor}/${look.ceiling}`;
  if (tile.canvas && tile.shade === shade) return tile.canvas;
  const colours = spectrogramColours(look.theme, look.floor, look.ceiling);
  const image = new ImageData(Math.max(1, tile.columns), rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let column = 0; column < tile.columns; column++)
    for (let row = 0; row < rows; row++)
      pixels[(rows - 1 - row) * tile.columns + column] = colours[tile.values[column * rows + row]];
  tile.canvas = new OffscreenCanvas(image.width, rows);
  tile.canvas.getContext("2d")!.putImageData(image, 0, 0);
  tile.shade = shade;
  return tile.canvas;
}

export function drawSpectrogram(
  context: CanvasRenderingContext2D,
  cache: TileCache,
  info: RecordingInfo,
  view: Sight,
  look: Look,
  top: number,
  height: number,
): void {
  const sight = tilesInSight(view.start_s, view.end_s, info.column_s, view.s_per_px, info.n_columns);
  const size = 2 ** sight.level;
  const key = (level: number, tile: number) => `spectrogram|${level}|${tile}`;
  context.imageSmoothingEnabled = true;
  for (let index = sight.first; index <= sight.last; index++) {
    const found = tileAt(cache, key, sight.level, index * TILE * size);
    if (!found || !found.tile.columns) continue;
    const canvas = shaded(found.tile, info.n_rows, look);
    // where this tile begins within the coarser one that stands in for it
    const offset = ((index * TILE * size) / found.size) % TILE;
    const columns = Math.min((TILE * size) / found.size, found.tile.columns - offset);
    if (columns <= 0) continue;
    const start_s = index * TILE * size * info.column_s;
    const x = px(view, start_s);
    const width = (columns * found.size * info.column_s) / view.s_per_px;
    const rows = look.highRow - look.lowRow;
    context.drawImage(canvas, offset, info.n_rows - look.highRow, columns, rows, x, top, width + 0.5, height);
  }
}

export function drawHeat(
  canvas: HTMLCanvasElement,
  cache: TileCache,
  info: RecordingInfo,
  view: Sight,
  prompt: string,
  events: SoundEvent[],
  theme: Theme,
): void {
  const [width, height] = [Math.round(view.width), canvas.clientHeight || 28];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d")!;
  context.clearRect(0, 0, width, height);
  const image = heatLine(cache, info, view, prompt, theme, width);
  const line = new OffscreenCanvas(width, 1);
  line.getContext("2d")!.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(line, 0, 0, width, 1, 0, 0, width, height);
  drawEvents(context, view, theme, events, height);
}

function heatLine(cache: TileCache, info: RecordingInfo, view: Sight, prompt: string, theme: Theme, width: number) {
  const level = levelFor(view.s_per_px / info.hop_s);
  const colours = heatColours(theme);
  const image = new ImageData(width, 1);
  const pixels = new Uint32Array(image.data.buffer);
  const find = tileFinder(cache, (at, tile) => heatKey(prompt, at, tile), level);
  for (let x = 0; x < width; x++) {
    const unit = Math.floor(secondsAt(view, x) / info.hop_s);
    const found = find(unit);
    if (!found) continue;
    const last = Math.max(unit + 1, Math.floor(secondsAt(view, x + 1) / info.hop_s));
    let value = -1;
    for (let at = unit; at < last; at += found.size) {
      const place = Math.floor(at / found.size) % TILE;
      if (place < found.tile.columns) value = Math.max(value, found.tile.values[place]);
    }
    if (value >= 0) pixels[x] = colours[value];
  }
  return image;
}

function drawEvents(
  context: CanvasRenderingContext2D,
  view: Sight,
  theme: Theme,
  events: SoundEvent[],
  height: number,
): void {
  context.strokeStyle = colour("--event", theme);
  context.lineWidth = 2;
  let drawnTo = -1;
  for (const event of events) {
    if (event.offset_s < view.start_s) continue;
    if (event.onset_s > view.end_s) break;
    const [left, right] = [px(view, event.onset_s), px(view, event.offset_s)];
    if (right < drawnTo + 1) continue; // thousands of events in one pixel are one line
    context.strokeRect(left + 1, 1, Math.max(2, right - left - 2), height - 2);
    drawnTo = right;
  }
}
