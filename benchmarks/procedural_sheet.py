"""Contact sheet of the procedural sounds: one spectrogram per class, to judge them by eye.

python benchmarks/procedural_sheet.py -o docs/procedural.png
"""

from __future__ import annotations

import argparse
import io

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from flam.procedural import GENERATORS, SAMPLE_RATE, generate

SHOWN_S = 5.0
N_FFT, HOP = 1024, 480
HIGHEST_HZ = 12_000
N_COLOURS = 64  # noise at full depth would make a large file


def spectrogram_db(take: np.ndarray) -> np.ndarray:
    """Power below 12 kHz in dB under the loudest bin, (F, T)."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(take, N_FFT // 2), N_FFT)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(N_FFT))) ** 2
    power = power[:, : HIGHEST_HZ * N_FFT // SAMPLE_RATE].T
    return 10 * np.log10(np.maximum(power / power.max(), 1e-8))


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", required=True, help="PNG to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--labels", nargs="*", default=sorted(GENERATORS))
    parser.add_argument("--columns", type=int, default=10)
    arguments = parser.parse_args()
    rows = -(-len(arguments.labels) // arguments.columns)
    figure, axes = plt.subplots(rows, arguments.columns, figsize=(1.35 * arguments.columns, 1.0 * rows), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, label in zip(axes.flat, arguments.labels, strict=False):
        take = generate(label, arguments.seed)[: int(SHOWN_S * SAMPLE_RATE)]
        extent = (0.0, len(take) / SAMPLE_RATE, 0.0, HIGHEST_HZ)
        axis.imshow(spectrogram_db(take), origin="lower", aspect="auto", vmin=-70, vmax=0, cmap="magma", extent=extent)
        axis.set_xlim(0, SHOWN_S)
        axis.set_title(label, fontsize=7, pad=2)
    figure.subplots_adjust(left=0.005, right=0.995, bottom=0.005, top=0.97, wspace=0.05, hspace=0.25)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=80)
    Image.open(drawn).convert("RGB").quantize(N_COLOURS).save(arguments.output, optimize=True)


if __name__ == "__main__":
    main()
