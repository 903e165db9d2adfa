// Times and scores as people read them.

export function clock(seconds: number, digits = 1): string {
  const total = Math.max(0, seconds);
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const rest = (total % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export function probability(value: number): string {
  const digits = value > 0.999 || value < 0.001 ? 4 : value > 0.98 || value < 0.02 ? 3 : 2;
  return value.toFixed(digits);
}

export const toLogit = (value: number): number => Math.log(value / (1 - value));
export const fromLogit = (value: number): number => 1 / (1 + Math.exp(-value));

export function tickStep(secondsPerPixel: number, pixels = 90): number {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
  return steps.find((step) => step >= secondsPerPixel * pixels) ?? 14400;
}
