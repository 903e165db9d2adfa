// Colours of levels and scores, as tables of 256 RGBA values for each theme.

export type Theme = "light" | "dark";

type Stop = [number, number, number, number];

const SPECTROGRAM: Record<Theme, Stop[]> = {
  dark: [
    [0, 13, 17, 26],
    [0.35, 48, 39, 94],
    [0.6, 152, 54, 120],
    [0.82, 243, 129, 84],
    [1, 253, 236, 170],
  ],
  light: [
    [0, 255, 255, 255],
    [0.35, 205, 217, 236],
    [0.6, 122, 146, 199],
    [0.82, 64, 63, 135],
    [1, 24, 12, 52],
  ],
};
const HEAT: Record<Theme, Stop[]> = {
  dark: [
    [0, 19, 24, 36],
    [0.5, 32, 54, 82],
    [0.72, 34, 113, 122],
    [0.86, 122, 175, 84],
    [1, 255, 218, 84],
  ],
  light: [
    [0, 247, 248, 250],
    [0.5, 218, 229, 238],
    [0.72, 132, 190, 196],
    [0.86, 44, 128, 124],
    [1, 12, 62, 84],
  ],
};

function table(stops: Stop[]): Uint32Array {
  const colours = new Uint32Array(256);
  for (let value = 0; value < 256; value++) {
    const at = value / 255;
    const next = Math.max(1, stops.findIndex((stop) => stop[0] >= at));
    const [low, high] = [stops[next - 1], stops[next]];
    const share = (at - low[0]) / (high[0] - low[0]);
    const [r, g, b] = [1, 2, 3].map((part) => Math.round(low[part] + share * (high[part] - low[part])));
    colours[value] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return colours;
}

const TABLES = {
  spectrogram: { dark: table(SPECTROGRAM.dark), light: table(SPECTROGRAM.light) },
  heat: { dark: table(HEAT.dark), light: table(HEAT.light) },
};

export const heatColours = (theme: Theme): Uint32Array => TABLES.heat[theme];

// Levels between floor and ceiling (bytes) spread over all colours.
export function spectrogramColours(theme: Theme, floor: number, ceiling: number): Uint32Array {
  const base = TABLES.spectrogram[theme];
  const colours = new Uint32Array(256);
  for (let value = 0; value < 256; value++) {
    const share = (value - floor) / Math.max(1, ceiling - floor);
    colours[value] = base[Math.round(255 * Math.min(1, Math.max(0, share)))];
  }
  return colours;
}
