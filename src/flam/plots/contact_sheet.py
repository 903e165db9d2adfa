"""A sheet of small spectrograms, one for each sound that was found, to look through at a glance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flam.core.extras import require_extra
from flam.plots.layout import INK, OUTLINE, save_figure, shortened
from flam.plots.spectrogram import reduced_spectrogram

COLUMNS = 5
CELL_IN = (2.5, 1.35)
TITLE_IN, FOOT_IN = 0.36, 0.1
RANGE_DB = 60.0


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """One sound of a sheet.

    Parameters
    ----------
    waveform : numpy.ndarray
        (N,) float32, the sound with some of what surrounds it.
    sample_rate : int
        Hz.
    onset_s, offset_s : float
        Where the sound itself lies in the waveform.
    title, subtitle : str
        Two lines above it.
    """

    waveform: np.ndarray
    sample_rate: int
    onset_s: float
    offset_s: float
    title: str
    subtitle: str


def plot_contact_sheet(thumbnails: Sequence[Thumbnail], path: str | Path, title: str = "") -> None:
    """Draw spectrograms in rows, the sound itself marked by lines, and write the picture.

    Parameters
    ----------
    thumbnails : sequence of Thumbnail
        In the order in which they are drawn, at least one.
    path : str or Path
        The suffix tells the kind of picture.
    title : str
        Above the sheet.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    ConfigError
        A suffix of no kind of picture.
    OutputError
        The picture can't be written.
    """
    require_extra("matplotlib", "plot", "for pictures")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n_columns = min(COLUMNS, len(thumbnails))
    n_rows = math.ceil(len(thumbnails) / n_columns)
    cell_width, cell_height = CELL_IN[0], CELL_IN[1] + TITLE_IN + FOOT_IN
    width, height = n_columns * cell_width + 0.2, n_rows * cell_height + (0.4 if title else 0.1)
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    if title:
        figure.text(0.12 / width, 1 - 0.27 / height, shortened(title, 110), fontsize=11, color=INK, parse_math=False)
    top = height - (0.4 if title else 0.1)
    for number, thumbnail in enumerate(thumbnails):
        row, column = divmod(number, n_columns)
        left, bottom = 0.12 + column * cell_width, top - row * cell_height - TITLE_IN - CELL_IN[1]
        axes = figure.add_axes((left / width, bottom / height, (cell_width - 0.12) / width, CELL_IN[1] / height))
        spectrogram = reduced_spectrogram((thumbnail.waveform, thumbnail.sample_rate), n_columns=160)
        level_db = spectrogram.level_db - spectrogram.level_db.max()
        duration_s = level_db.shape[1] * spectrogram.column_s
        axes.imshow(
            level_db,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=-RANGE_DB,
            vmax=0.0,
            extent=(0.0, duration_s, 0.0, 1.0),
            interpolation="bilinear",
        )
        for second in (thumbnail.onset_s, thumbnail.offset_s):
            axes.axvline(second, color=OUTLINE, linewidth=1.0)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlim(0.0, duration_s)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.text(
            0, 1.16, shortened(thumbnail.title, 40), transform=axes.transAxes, fontsize=7.5, color=INK, parse_math=False
        )
        axes.text(
            0,
            1.03,
            shortened(thumbnail.subtitle, 46),
            transform=axes.transAxes,
            fontsize=6.5,
            color="#5b6875",
            parse_math=False,
        )
    save_figure(figure, Path(path))
