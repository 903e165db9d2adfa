// The server's API, typed: one function for each request that the page makes.

export interface RecordingInfo {
  id: string;
  name: string;
  state: "waiting" | "running" | "ready" | "failed" | "cancelled";
  error: string | null;
  problems: string[];
  duration_s: number;
  analysed_s: number;
  sample_rate: number;
  n_frames: number;
  hop_s: number;
  n_columns: number;
  column_s: number;
  n_rows: number;
  row_edges_hz: number[];
  n_peaks: number;
  peak_s: number;
}

export interface SoundEvent {
  onset_s: number;
  offset_s: number;
  prompt: string;
  mean_score: number | null;
  max_score: number | null;
  probability?: number | null;
}

export interface Rule {
  threshold?: number;
  low_threshold?: number;
  median_s?: number;
  min_duration_s?: number;
  merge_gap_s?: number;
  alternatives?: string[];
  negatives?: string[];
  probability?: { offset: number; slope: number };
}

export interface What {
  prompts: string[];
  suppress: string[];
  rules: Record<string, Rule>;
  n_together: number;
}

// An entry of a prompts file; what it does not say is null or left out.
export interface Preset {
  prompt: string;
  threshold?: number | null;
  min_duration_s?: number | null;
  alternatives?: string[];
  negatives?: string[];
  probability?: { offset: number; slope: number } | null;
}

export interface Settings {
  model: string;
  version: string;
  threshold: number;
  hop_s: number;
  sample_rate: number;
  formats: Record<string, string>;
  demos: string[];
  presets: Record<string, Preset[]>;
  max_upload_mb: number;
  max_duration_s: number;
  max_prompts: number;
}

export class ApiError extends Error {
  constructor(
    public status: number,
    message: string,
  ) {
    super(message);
  }
}

async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  let detail = response.statusText;
  try {
    detail = (await response.json()).detail ?? detail;
  } catch {
    // the body is no JSON: the status has to do
  }
  throw new ApiError(response.status, detail);
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await checked(await fetch(path, { signal }))).json();
}

export async function post(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return checked(await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal }));
}

export async function postJson<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return (await post(path, body, signal)).json();
}

export async function getBytes(path: string, signal?: AbortSignal): Promise<Uint8Array> {
  return new Uint8Array(await (await checked(await fetch(path, { signal }))).arrayBuffer());
}

export async function removeRecording(id: string): Promise<void> {
  await checked(await fetch(`/v1/recordings/${id}`, { method: "DELETE" }));
}

// XMLHttpRequest, because fetch does not tell how much of an upload has gone.
export function upload(file: File, onProgress: (share: number) => void, signal: AbortSignal): Promise<RecordingInfo> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/v1/recordings?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => {
      let body: any = {};
      try {
        body = JSON.parse(request.responseText);
      } catch {
        // as in checked()
      }
      if (request.status < 300) resolve(body);
      else reject(new ApiError(request.status, body.detail ?? request.statusText));
    };
    request.onerror = () => reject(new ApiError(0, "The server can't be reached, or refused the file while it was sent."));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

export function watchProgress(id: string, onState: (info: RecordingInfo) => void): () => void {
  const source = new EventSource(`/v1/recordings/${id}/progress`);
  source.onmessage = (message) => {
    const info = JSON.parse(message.data) as RecordingInfo;
    onState(info);
    if (!["waiting", "running"].includes(info.state)) source.close();
  };
  return () => source.close();
}

export function saveFile(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
