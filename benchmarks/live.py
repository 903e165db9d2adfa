"""What one live stream costs and how late it is: the bundled recordings in a row, pushed as a microphone would.

    python benchmarks/live.py --minutes 10
    python benchmarks/live.py --gated-hours 24

Processor seconds for each second of sound, for several latencies; the seconds from a sound to its notice, as they
follow from the amount of sound that had been pushed; and whether the events equal those of ``detect`` on the whole.

With ``--gated-hours``: so many hours in a row, of each a minute and a half loud enough for the gate, and the memory of
the process after each.
"""

from __future__ import annotations

import argparse
import io
import time
from collections import Counter
from pathlib import Path

import numpy as np

import flam
from flam.audio import read_audio
from flam.audio.live import PcmInput
from flam.detection import Detector
from flam.live import LiveConfig, LiveMonitor

RATE = 48_000
PROMPTS = ["someone talking", "dog barking", "siren", "car horn", "rain", "glass breaking", "telephone ringing"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--latencies", type=float, nargs="+", default=[1.5, 2.0, 4.0])
    parser.add_argument("--gated-hours", type=int, default=0)
    arguments = parser.parse_args()
    folder = Path(flam.__file__).parent / "assets" / "demo"
    demo = np.concatenate([read_audio(folder / f"{name}.ogg", RATE) for name in ("street", "home", "nature")])
    pcm = np.round(np.resize(demo, round(arguments.minutes * 60 * RATE)) * 32767).astype("<i2")
    detector = flam.load("flam-mini", n_threads=1)
    detector.embed_text(PROMPTS)
    if arguments.gated_hours:
        listen_for_hours(detector, pcm, arguments.gated_hours)
        return
    print(
        "| latency asked | CPU s for 1 s of sound | onset after its sound, median and 95 % | events | equal to detect |"
    )
    print("|---|---|---|---|---|")
    for latency_s in arguments.latencies:
        pushed = Paced(pcm)
        monitor = LiveMonitor(
            PcmInput(pushed),
            lambda rate, latency_s=latency_s: detector.session(PROMPTS, sample_rate=rate, latency_s=latency_s),
            now=lambda pushed=pushed: pushed.position / 2 / RATE,
        )
        begun = time.process_time()
        notices = list(monitor.run())
        share = (time.process_time() - begun) / (60 * arguments.minutes)
        late = [notice.latency_s for notice in notices if notice.kind == "onset"]
        found = sorted((n.onset_s, n.offset_s, n.prompt) for n in notices if n.kind == "offset")
        whole = detector.detect(pcm.astype(np.float32) / 32768, PROMPTS, latency_s=latency_s)
        is_equal = [name for *_, name in found] == [event.prompt for event in whole] and np.allclose(
            [row[:2] for row in found], [(event.onset_s, event.offset_s) for event in whole]
        )
        spread = f"{np.median(late):.2f} s, {np.quantile(late, 0.95):.2f} s"
        print(f"| {latency_s} s | {share:.4f} | {spread} | {len(found)} | {'yes' if is_equal else 'NO'} |", flush=True)


def listen_for_hours(detector: Detector, pcm: np.ndarray, n_hours: int) -> None:
    """Print the process's memory after each hour, and what was heard."""
    hours = Hours(pcm[: 90 * RATE], n_hours)
    monitor = LiveMonitor(
        PcmInput(hours),
        lambda rate: detector.session(PROMPTS, sample_rate=rate),
        LiveConfig(gate_db=-50.0),
        now=lambda: hours.position / 2 / RATE,
    )
    kinds = Counter(notice.kind for notice in monitor.run())
    print(f"{n_hours} hours, {time.process_time():.0f} CPU s: {dict(kinds)}")
    print(f"MB after each hour: {', '.join(f'{mb:.1f}' for mb in hours.memory_mb)}")


class Hours(io.RawIOBase):
    """Hours that begin with some loud sound and go on with noise below the gate."""

    def __init__(self, loud: np.ndarray, n_hours: int):
        noise = np.random.default_rng(0).integers(-5, 6, RATE, dtype="<i2")
        self.seconds = [loud[start : start + RATE].tobytes() for start in range(0, len(loud), RATE)]
        self.noise, self.n_hours, self.position = noise.tobytes(), n_hours, 0
        self.memory_mb: list[float] = []

    def read1(self, size: int | None = -1, /) -> bytes:
        second = self.position // (2 * RATE)
        if second % 3600 == 0 and second:
            with open("/proc/self/status", encoding="ascii") as file:
                self.memory_mb += [int(line.split()[1]) / 1000 for line in file if line.startswith("VmRSS")]
        if second >= 3600 * self.n_hours:
            return b""
        data = self.seconds[second % 3600] if second % 3600 < len(self.seconds) else self.noise
        self.position += len(data)
        return data


class Paced(io.BytesIO):
    """Samples as a file that knows how far it was read: the clock of the measurement."""

    def __init__(self, pcm: np.ndarray):
        super().__init__(pcm.tobytes())
        self.position = 0

    def read1(self, size: int | None = -1, /) -> bytes:
        data = super().read1(size)
        self.position += len(data)
        return data


if __name__ == "__main__":
    main()
