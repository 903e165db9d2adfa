"""FigureLayout of the pictures: sizes, colours, time axes and labels."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flam.core import ConfigError, atomic_path
from flam.plots.spectrogram import Spectrogram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("png", "pdf", "svg", "jpg")
COLUMNS = 1600
MOST_CHARACTERS = 34
CHARACTER_IN = 0.075  # width of an average character of a 9 point label
LEFT_LEAST_IN, RIGHT_IN, TOP_IN, TITLE_IN, BOTTOM_IN, NOTE_IN, GAP_IN = 0.75, 0.75, 0.15, 0.27, 0.36, 0.2, 0.14
PLOT_WIDTH_IN, SPECTROGRAM_IN = 10.0, 2.5
LEAST_RANGE_DB, MOST_RANGE_DB = 40.0, 80.0
FREQUENCIES_HZ = (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
TIME_STEPS_S = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
    21600,
    43200,
    86400,
)
INK, FAINT = "#1b2733", "#d5dbe1"
# Up to 0.5, where the cosine of sound and text is 0, a score is pale; what tells sounds apart lies near 1.
SCALE = (0.0, 0.5, 0.7, 0.9, 0.97, 1.0)
POSITIVE_COLOURS = ("#ffffff", "#eef1f3", "#bfe0e4", "#5cb3bd", "#1d87a0", "#0a2c4a")
NEGATIVE_COLOURS = ("#ffffff", "#f3f0ee", "#f5d3b8", "#eb9c66", "#c85f2c", "#6b2410")
OUTLINE = "#e4002b"
FONTS = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Arial",
)


@dataclass(frozen=True)
class Lane:
    """One line of the heat map: (T,) values in [0, 1], and the spans in seconds to outline on it."""

    prompt: str
    values: np.ndarray
    is_negative: bool
    spans_s: list[tuple[float, float]]

    @property
    def highest(self) -> float:
        """The highest value, 0 where there is none."""
        return float(self.values.max(initial=0.0))


class FigureLayout:
    """A figure with places for the two parts and their two colour scales, all sized in inches."""

    def __init__(self, rows: list[Lane], duration_s: float, title: str, note: str):
        try:
            from matplotlib import font_manager
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ConfigError("pictures need matplotlib; install it with: pip install 'flam-audio[plot]'") from error
        self.duration_s = max(duration_s, 1e-3)
        installed = set(font_manager.get_font_names())
        self.fonts = [name for name in FONTS if name in installed]
        top_in = TOP_IN + (TITLE_IN if title else 0.0)
        bottom_in = BOTTOM_IN + (NOTE_IN if note else 0.0)
        longest = max((len(shortened(row.prompt)) for row in rows), default=0)
        left_in = max(LEFT_LEAST_IN, 0.2 + longest * CHARACTER_IN)
        # few rows are tall enough to see, many are low enough to fit
        row_in = min(0.5, max(0.21, 2.1 / max(len(rows), 1)))
        heat_in = max(row_in * len(rows), 0.3)
        self.row_in = row_in
        width = left_in + PLOT_WIDTH_IN + RIGHT_IN
        height = top_in + SPECTROGRAM_IN + GAP_IN + heat_in + bottom_in
        self.figure: Figure = Figure(figsize=(width, height), facecolor="white")
        FigureCanvasAgg(self.figure)

        def place(left: float, bottom: float, wide: float, high: float) -> Any:
            return self.figure.add_axes((left / width, bottom / height, wide / width, high / height))

        middle_in = bottom_in + heat_in + GAP_IN
        scale_in = min(heat_in, 2.5)
        bar_left = left_in + PLOT_WIDTH_IN + 0.12
        self.spectrogram_axes = place(left_in, middle_in, PLOT_WIDTH_IN, SPECTROGRAM_IN)
        self.level_axes = place(bar_left, middle_in, 0.12, SPECTROGRAM_IN)
        self.heat_axes = place(left_in, bottom_in, PLOT_WIDTH_IN, heat_in)
        self.score_axes = place(bar_left, bottom_in + heat_in - scale_in, 0.12, scale_in)
        for axes in (self.spectrogram_axes, self.heat_axes, self.level_axes, self.score_axes):
            axes.tick_params(length=3, color=INK, labelcolor=INK, labelsize=8.5, width=0.7)
            for spine in axes.spines.values():
                spine.set_color(INK)
                spine.set_linewidth(0.7)
        self.spectrogram_axes.set_title(
            shortened(title, 90), loc="left", fontsize=11, color=INK, parse_math=False, fontfamily=self.fonts
        )
        self.heat_axes.set_xlabel(note, fontsize=8.5, color=INK)


def draw_spectrogram(layout: FigureLayout, spectrogram: Spectrogram) -> None:
    """Draw the upper part, its frequency axis and its level scale."""
    axes, level_db = layout.spectrogram_axes, spectrogram.level_db
    n_mels = len(level_db)
    if not level_db.size:
        level_db = np.zeros((n_mels, 1), np.float32)
    level_db = level_db - level_db.max()
    # the quieter half of the picture is its ground: dark, so that sounds stand out
    range_db = float(np.clip(5.0 - np.median(level_db), LEAST_RANGE_DB, MOST_RANGE_DB))
    image = axes.imshow(
        level_db,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=-range_db,
        vmax=0.0,
        extent=(0.0, level_db.shape[1] * spectrogram.column_s, 0.0, float(n_mels)),
        interpolation="bilinear",
    )
    ticks = _frequency_ticks(spectrogram.edges_hz)
    axes.set_yticks([place for place, _ in ticks], [text for _, text in ticks])
    axes.set_ylabel("Hz", color=INK, fontsize=8.5)
    axes.set_xlim(0.0, layout.duration_s)
    axes.set_xticks([second for second, _ in time_ticks(layout.duration_s)])
    axes.tick_params(axis="x", labelbottom=False)
    scale = layout.figure.colorbar(image, cax=layout.level_axes, ticks=range(0, -round(range_db), -20))
    scale.outline.set_visible(False)
    layout.level_axes.set_ylabel("dB", color=INK, fontsize=8.5, labelpad=2)


def _frequency_ticks(edges_hz: np.ndarray) -> list[tuple[float, str]]:
    """Places on the axis in bands, and labels, from the top down as long as they don't run into each other."""
    n_mels = len(edges_hz) - 1
    ticks: list[tuple[float, str]] = []
    for hz in reversed(FREQUENCIES_HZ):
        place = float(np.interp(hz, edges_hz, np.arange(n_mels + 1)))
        if edges_hz[0] <= hz <= edges_hz[-1] and (not ticks or ticks[-1][0] - place >= 0.06 * n_mels):
            ticks.append((place, f"{hz // 1000}k" if hz >= 1000 else str(hz)))
    return ticks


def draw_heat_map(layout: FigureLayout, rows: list[Lane], hop_s: float | None) -> None:
    """Draw the lower part: a line for each prompt, outlines of events, the time axis and the score scale.

    Parameters
    ----------
    hop_s : float | None
        seconds between two values of a row; None where they span the recording
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.patches import Rectangle

    axes, duration_s = layout.heat_axes, layout.duration_s
    positive = LinearSegmentedColormap.from_list("score", list(zip(SCALE, POSITIVE_COLOURS, strict=True)))
    negative = LinearSegmentedColormap.from_list("suppressing score", list(zip(SCALE, NEGATIVE_COLOURS, strict=True)))
    outlines = []
    for number, row in enumerate(rows):
        values = highest_in_columns(row.values)
        end_s = duration_s if hop_s is None else len(row.values) * hop_s
        colours = (negative if row.is_negative else positive)(np.clip(values, 0.0, 1.0))[None]
        if len(values):
            axes.imshow(colours, aspect="auto", extent=(0.0, end_s, number + 1, number), interpolation="nearest")
        least_s = duration_s / 600  # narrower than a few pixels, an outline would hide what it surrounds
        for onset_s, offset_s in row.spans_s:
            width_s = max(offset_s - onset_s, least_s)
            outlines.append(Rectangle((onset_s, number + 0.1), width_s, 0.8))
    if outlines:
        axes.add_collection(
            PatchCollection(outlines, facecolor="none", edgecolor=OUTLINE, linewidth=1.1, joinstyle="miter")
        )
    n_positive = sum(not row.is_negative for row in rows)
    for number in range(1, len(rows)):
        axes.axhline(
            number, color=INK if number == n_positive else FAINT, linewidth=1.4 if number == n_positive else 0.6
        )
    axes.set_xlim(0.0, duration_s)
    axes.set_ylim(max(len(rows), 1), 0)
    axes.set_yticks(np.arange(len(rows)) + 0.5)
    size = 9 if layout.row_in > 0.25 else 8
    axes.set_yticklabels(
        [shortened(row.prompt) for row in rows], fontsize=size, parse_math=False, fontfamily=layout.fonts
    )
    axes.tick_params(axis="y", length=0)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(NEGATIVE_COLOURS[4] if row.is_negative else INK)
    ticks = time_ticks(duration_s)
    axes.set_xticks([second for second, _ in ticks], [text for _, text in ticks])
    scale = layout.figure.colorbar(
        ScalarMappable(Normalize(0.0, 1.0), positive),
        cax=layout.score_axes,
        ticks=[0, 1] if len(rows) < 3 else [0, 0.5, 1],
    )
    scale.outline.set_visible(False)
    layout.score_axes.set_ylabel("score", color=INK, fontsize=8.5, labelpad=2)


def highest_in_columns(values: np.ndarray, n_columns: int = COLUMNS) -> np.ndarray:
    """Reduce (T,) values to at most ``n_columns``, each the highest of its share, so that no short event vanishes.

    Examples
    --------
    >>> highest_in_columns(np.array([0.1, 0.9, 0.2, 0.3]), n_columns=2).tolist()
    [0.9, 0.3]
    """
    if len(values) <= n_columns:
        return values
    first = np.arange(n_columns) * len(values) // n_columns
    return np.maximum.reduceat(values, first)


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """One line of at most ``most`` characters, cut in the middle, where texts differ least.

    Examples
    --------
    >>> shortened("a dog barking far away in the rain at night", 21)
    'a dog bark…n at night'
    """
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    end = (most - 1) // 2
    return f"{line[: most - 1 - end]}…{line[len(line) - end :]}"


def time_ticks(duration_s: float, most: int = 13) -> list[tuple[float, str]]:
    """Round times from 0 to the end, with their labels: ``0:05``, from an hour on ``1:00:00``, below 2 s ``0.5 s``.

    Examples
    --------
    >>> [text for _, text in time_ticks(5400, most=4)]
    ['0:00:00', '0:30:00', '1:00:00', '1:30:00']
    """
    steps = [step for step in TIME_STEPS_S if duration_s / step <= most]
    step = steps[0] if steps else duration_s / most
    n_ticks = math.floor(duration_s / step + 1e-9) + 1
    return [(number * step, _time_label(number * step, step, duration_s)) for number in range(n_ticks)]


def _time_label(second: float, step: float, duration_s: float) -> str:
    if step < 1:
        return f"{second:.1f} s"
    minutes, seconds = divmod(round(second), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if duration_s >= 3600 else f"{minutes}:{seconds:02d}"


def require_picture(path: Path) -> str:
    """The kind of picture that a file name asks for.

    Raises
    ------
    ConfigError
        no kind that can be written

    Examples
    --------
    >>> require_picture(Path("night.PNG"))
    'png'
    """
    kind = path.suffix.lower().lstrip(".")
    if kind not in KINDS:
        raise ConfigError(f"{path}: {path.suffix!r} is no kind of picture; choose one of {', '.join(KINDS)}")
    return kind


def save_figure(figure: Figure, path: Path) -> None:
    """Write a picture; it appears whole or not at all.

    Raises
    ------
    ConfigError
        a kind of picture that matplotlib can't write
    OutputError
        the file can't be written
    """
    kind = require_picture(path)
    with atomic_path(path) as part, warnings.catch_warnings():
        # a script that the font lacks shows as boxes; the picture is still good for the rest
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(part, format=kind, dpi=130)
