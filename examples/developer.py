"""An application developer's day: one model for the whole program, arrays in, events out, progress with times.

python examples/developer.py
"""

import importlib.resources
import time
from pathlib import Path

import flam
from flam.audio import read_audio
from flam.core import FlamError

DEMO = Path(str(importlib.resources.files("flam"))) / "assets" / "demo"
PROMPTS = ["telephone ringing", "glass breaking", "smoke alarm"]


def main() -> None:
    """Load once, then detect in arrays, in streams and in short clips."""
    detector = flam.load("flam-mini", threshold=0.5)  # seconds; keep it
    detector.embed_text(PROMPTS)  # remembered, so that the first recording takes no longer than the others

    # samples from anywhere: (samples, sample rate), floats with full scale 1.0
    waveform = read_audio(DEMO / "home.ogg", 48_000)
    begun = time.monotonic()

    def progress(completed_samples: int, total_samples: int | None) -> None:
        print(f"{time.monotonic() - begun:6.2f} s: {completed_samples / 48_000:.1f} s of the recording are done")

    for event in detector.detect((waveform, 48_000), PROMPTS, progress=progress):
        print(f"{event.prompt}: {event.onset_s:.2f} to {event.offset_s:.2f} s, {event.max_score:.2f}")

    # blocks that are still arriving: each event as soon as nothing that follows can change it
    blocks = (waveform[start : start + 4_800] for start in range(0, len(waveform), 4_800))
    print(next(detector.stream_events((blocks, 48_000), PROMPTS)).prompt)

    # a list of short clips; what can't be used says why and costs nothing else
    for clip in (waveform[12 * 48_000 : 15 * 48_000], waveform[:0]):
        try:
            print(len(detector.detect((clip, 48_000), PROMPTS)), "events")
        except FlamError as error:
            print(f"left out: {error}")


if __name__ == "__main__":
    main()
