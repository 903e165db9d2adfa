"""Peak memory of a fine-tuning by the length of its recordings, which are made here.

python -m benchmarks.finetune_memory 1     # hours, in two recordings with two labels
python -m benchmarks.finetune_memory 10
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from flam.training.finetune.run import FinetuneConfig, finetune

RATE = 16_000
# few examples, so that listening to the recordings is most of the work
CONFIG = FinetuneConfig(n_scenes=16, n_held_out_scenes=8, most_windows=40, epochs=1, n_anchors=500, held_out_share=0.5)
TONES_HZ = {"zorblat": 900.0, "plimfu": 2_100.0}


def make_recording(path: Path, n_minutes: int) -> None:
    """Faint noise with two tones of a second in each minute, and the label track of it."""
    rng = np.random.default_rng(0)
    seconds = np.arange(RATE) / RATE
    with soundfile.SoundFile(path, "w", RATE, 1) as file, open(path.with_suffix(".txt"), "w") as labels:
        for minute in range(n_minutes):
            waveform = rng.normal(0, 0.003, 60 * RATE)
            for onset_s, (label, tone_hz) in zip((10, 35), TONES_HZ.items(), strict=True):
                waveform[onset_s * RATE : (onset_s + 1) * RATE] += 0.3 * np.sin(2 * np.pi * tone_hz * seconds)
                labels.write(f"{60 * minute + onset_s}\t{60 * minute + onset_s + 1}\t{label}\n")
            file.write(waveform)


def main(hours: float) -> None:
    """Make recordings, teach a model, print the peak."""
    with tempfile.TemporaryDirectory() as folder:
        recordings = Path(folder, "recordings")
        recordings.mkdir()
        for number in range(2):
            make_recording(recordings / f"{number}.wav", round(30 * hours))
        finetune(recordings, "flam-mini", Path(folder, "model"), CONFIG)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{hours:g} h of recordings: peak {peak_mb:.0f} MB")


if __name__ == "__main__":
    main(float(sys.argv[1]))
