"""Pictures of an archive: the activity map of days and hours, and contact sheets of what was found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from flam.core import ConfigError
from flam.core.errors import require_extra
from flam.plots.layout import INK, OUTLINE, POSITIVE_COLOURS, save_figure, shortened
from flam.plots.spectrogram import reduced_spectrogram

PANEL_IN, LABEL_IN = 2.1, 0.55
DAY_LABEL_IN = 0.6
MOST_PANELS = 24
NOT_RECORDED, SECOND_INK = "#dde3e8", "#5b6875"
Cell = tuple[date, int]
SHEET_COLUMNS = 5
SHEET_CELL_IN = (2.5, 1.35)
SHEET_TITLE_IN, SHEET_FOOT_IN = 0.36, 0.1
TITLE_CHARACTERS, SUBTITLE_CHARACTERS = 38, 42  # as many as fit
SHEET_RANGE_DB = 60.0


def plot_activity(counts: Mapping[str, Mapping[Cell, int]], recorded_s: Mapping[Cell, float], path: str | Path) -> None:
    """Draw one panel for each prompt and write the picture; hours without any recording are grey.

    Parameters
    ----------
    counts : mapping of str to mapping of (date, int) to int
        By prompt, how many in each hour (0 to 23) of each day.
    recorded_s : mapping of (date, int) to float
        Seconds that were recorded in each hour of each day.
    path : str or Path
        The suffix tells the kind of picture.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    ConfigError
        No hour was recorded, too many prompts, or a suffix of no kind of picture.
    OutputError
        The picture can't be written.
    """
    require_extra("matplotlib", "plot", "for pictures")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm
    from matplotlib.figure import Figure

    if not recorded_s:
        raise ConfigError(
            "no recording says when it began, so there are no hours and days to draw; give --time-zone or rename them"
        )
    if not 1 <= len(counts) <= MOST_PANELS:
        raise ConfigError(f"{len(counts)} prompts can't be drawn, 1 to {MOST_PANELS} can; ask for fewer")
    first, last = min(day for day, _ in recorded_s), max(day for day, _ in recorded_s)
    n_days = (last - first).days + 1
    width = 1.6 + min(max(n_days * 0.16, 2.4), 12.0)
    height = LABEL_IN + len(counts) * (PANEL_IN + 0.32)
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    colours = LinearSegmentedColormap.from_list("count", POSITIVE_COLOURS).with_extremes(bad=NOT_RECORDED)
    for number, (prompt, cells) in enumerate(counts.items()):
        bottom = height - (number + 1) * (PANEL_IN + 0.32)
        axes = figure.add_axes((0.6 / width, bottom / height, (width - 1.4) / width, PANEL_IN / height))
        table = _table(cells, recorded_s, first, n_days)
        highest = max(float(np.nanmax(table)), 1.0)
        # by the root of the number: one call in an hour shows beside hundreds
        norm = PowerNorm(0.5, 0.0, highest)
        axes.imshow(
            np.ma.masked_invalid(table),
            origin="lower",
            aspect="auto",
            cmap=colours,
            norm=norm,
            extent=(0.0, float(n_days), 0.0, 24.0),
            interpolation="nearest",
        )
        axes.set_title(shortened(prompt, 60), loc="left", fontsize=9.5, color=INK, pad=3, parse_math=False)
        axes.set_yticks(range(0, 25, 6), [f"{hour:02d}:00" for hour in range(0, 25, 6)])
        _label_days(axes, first, n_days, int((width - 1.4) / DAY_LABEL_IN), number == len(counts) - 1)
        axes.tick_params(length=3, color=INK, labelcolor=INK, labelsize=8, width=0.7)
        for spine in axes.spines.values():
            spine.set_color(INK)
            spine.set_linewidth(0.7)
        bar = figure.add_axes(((width - 0.68) / width, bottom / height, 0.11 / width, PANEL_IN / height))
        ticks = sorted({0, round(highest / 4), round(highest)})
        scale = figure.colorbar(ScalarMappable(norm, colours), cax=bar, ticks=ticks)
        scale.outline.set_visible(False)
        bar.tick_params(length=2, labelsize=7.5, color=INK, labelcolor=INK)
    figure.text(0.6 / width, 0.1 / height, "grey: not recorded", fontsize=7, color=SECOND_INK)
    save_figure(figure, Path(path))


def _table(cells: Mapping[Cell, int], recorded_s: Mapping[Cell, float], first: date, n_days: int) -> np.ndarray:
    """(24, days) counts, not a number where nothing was recorded."""
    table = np.full((24, n_days), np.nan)
    for day, hour in recorded_s:
        table[hour, (day - first).days] = 0.0
    for (day, hour), number in cells.items():
        table[hour, (day - first).days] = number
    return table


def _label_days(axes: object, first: date, n_days: int, most: int, is_last: bool) -> None:
    step = max(1, math.ceil(n_days / most))
    places = list(range(0, n_days, step))
    labels = [f"{first + timedelta(days=place):%d %b}" for place in places] if is_last else [""] * len(places)
    axes.set_xticks([place + 0.5 for place in places], labels)  # type: ignore[attr-defined]


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

    n_columns = min(SHEET_COLUMNS, len(thumbnails))
    n_rows = math.ceil(len(thumbnails) / n_columns)
    cell_width, cell_height = SHEET_CELL_IN[0], SHEET_CELL_IN[1] + SHEET_TITLE_IN + SHEET_FOOT_IN
    width, height = n_columns * cell_width + 0.2, n_rows * cell_height + (0.4 if title else 0.1)
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    if title:
        figure.text(0.12 / width, 1 - 0.27 / height, shortened(title, 110), fontsize=11, color=INK, parse_math=False)
    top = height - (0.4 if title else 0.1)
    for number, thumbnail in enumerate(thumbnails):
        row, column = divmod(number, n_columns)
        left, bottom = 0.12 + column * cell_width, top - row * cell_height - SHEET_TITLE_IN - SHEET_CELL_IN[1]
        axes = figure.add_axes((left / width, bottom / height, (cell_width - 0.12) / width, SHEET_CELL_IN[1] / height))
        spectrogram = reduced_spectrogram((thumbnail.waveform, thumbnail.sample_rate), n_columns=160)
        level_db = spectrogram.level_db - spectrogram.level_db.max()
        duration_s = level_db.shape[1] * spectrogram.column_s
        axes.imshow(
            level_db,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=-SHEET_RANGE_DB,
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
            0,
            1.16,
            shortened(thumbnail.title, TITLE_CHARACTERS),
            transform=axes.transAxes,
            fontsize=7.5,
            color=INK,
            parse_math=False,
        )
        axes.text(
            0,
            1.03,
            shortened(thumbnail.subtitle, SUBTITLE_CHARACTERS),
            transform=axes.transAxes,
            fontsize=6.5,
            color=SECOND_INK,
            parse_math=False,
        )
    save_figure(figure, Path(path))
