// What survives a reload, kept by the browser and nowhere else.

export function load<T>(key: string, fallback: T): T {
  try {
    const text = localStorage.getItem(`flam.${key}`);
    return text === null ? fallback : (JSON.parse(text) as T);
  } catch {
    return fallback;
  }
}

export function save(key: string, value: unknown): void {
  try {
    localStorage.setItem(`flam.${key}`, JSON.stringify(value));
  } catch {
    // private windows may refuse: the page works without
  }
}
