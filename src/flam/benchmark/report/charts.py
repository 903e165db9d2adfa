"""Charts as text: SVG and a little HTML whose colours the page's style decides, so that they suit a dark page too."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from flam.benchmark.metrics import Figure

WIDTH, HEIGHT = 340, 220
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 8, 34
N_COLOURS = 6
DECADES = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)


def colour(number: int) -> str:
    """The style of the system with this number.

    Examples
    --------
    >>> colour(7)
    '--c:var(--s1)'
    """
    return f"--c:var(--s{number % N_COLOURS})"


def line_chart(
    curves: Sequence[tuple[np.ndarray, np.ndarray]],
    x_title: str,
    y_title: str,
    x_end: float = 1.0,
    log_y: bool = False,
    dots: bool = False,
) -> str:
    """Curves in the colours of their systems.

    Parameters
    ----------
    curves : Sequence[tuple[np.ndarray, np.ndarray]]
        (x, y) arrays; points that are not finite are left out, in a logarithmic chart also those at 0
    x_end : float, default 1.0
        the x axis begins at 0
    log_y : bool, default False
        decades, instead of 0 to 1
    dots : bool, default False
        mark the points and draw the diagonal on which x equals y

    Examples
    --------
    >>> line_chart([(np.array([0.0, 1.0]), np.array([0.0, 1.0]))], "score", "F1").count("<path")
    1
    """
    lowest, highest = _decades(curves) if log_y else (0.0, 1.0)

    def place(x: float, y: float) -> tuple[float, float]:
        share = (math.log10(y) - lowest) / (highest - lowest) if log_y else y
        return LEFT + x / x_end * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    ticks = [d for d in DECADES if lowest <= math.log10(d) <= highest] if log_y else [0.0, 0.25, 0.5, 0.75, 1.0]
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(y_title)} against {escape(x_title)}">'
    ]
    for tick in ticks:
        _, y = place(0, tick)
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, _ = place(tick * x_end, 1.0)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{tick * x_end:g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 3}" text-anchor="middle">{escape(x_title)}</text>')
    if dots:
        (x1, y1), (x2, y2) = place(0, 0), place(1, 1)
        parts.append(f'<line class="chance" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')
    for number, (xs, ys) in enumerate(curves):
        is_drawn = np.isfinite(xs) & np.isfinite(ys) & ((ys > 0) | (not log_y))
        points = [place(float(x), float(y)) for x, y in zip(xs[is_drawn], ys[is_drawn], strict=True)]
        if points:
            parts.append(f'<path class="curve" style="{colour(number)}" d="M{_joined(points)}"/>')
        if dots:
            parts += [
                f'<circle class="dot" style="{colour(number)}" cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>' for x, y in points
            ]
    return "".join([*parts, "</svg>"])


def bars(rows: Mapping[str, Sequence[Figure | None]]) -> str:
    """A line for each name with a bar for each system, 0 to 1, and its interval; the title tells the figures.

    Examples
    --------
    >>> bars({"dog": [Figure(0.9, 0.8, 0.95)]}).count("<u")
    1
    """
    parts = ['<div class="bars">']
    for name, figures in rows.items():
        tracks, values = [], []
        for number, figure in enumerate(figures):
            if figure is None:
                tracks.append('<div class="bar"></div>')
                values.append(f'<i style="{colour(number)}">–</i>')
                continue
            whisker, told = "", _hundred(figure.value)
            if figure.low is not None and figure.high is not None and not math.isnan(figure.low):
                width = 100 * (figure.high - figure.low)
                whisker = f'<u style="left:{100 * figure.low:.1f}%;width:{width:.1f}%"></u>'
                told += f", 95 % interval {_hundred(figure.low)} to {_hundred(figure.high)}"
            tracks.append(
                f'<div class="bar" style="{colour(number)}" title="{escape(told)}">'
                f'<i style="width:{100 * figure.value:.1f}%"></i>{whisker}</div>'
            )
            values.append(f'<i style="{colour(number)}">{_hundred(figure.value)}</i>')
        parts.append(
            f'<div class="row"><span title="{escape(name)}">{escape(name)}</span>'
            f'<div class="track">{"".join(tracks)}</div><b>{"".join(values)}</b></div>'
        )
    return "".join([*parts, "</div>"])


def confusion(counts: np.ndarray, labels: Sequence[str]) -> str:
    """A matrix of (K, K) counts: row is what a clip is, column what it was called; darker is a larger share of the row.

    Examples
    --------
    >>> confusion(np.array([[3, 1], [0, 4]]), ["dog", "cat"]).count("<rect")
    4
    """
    cell, left = 12, 120
    size = cell * len(labels)
    parts = [f'<svg class="confusion" viewBox="0 0 {left + size + 4} {size + 100}" role="img" aria-label="confusion">']
    parts.append(f'<rect class="ground" x="{left}" y="0" width="{size}" height="{size}"/>')
    for row, label in enumerate(labels):
        middle = cell * row + 9.5
        parts.append(f'<text x="{left - 5}" y="{middle}" text-anchor="end">{escape(_short(label))}</text>')
        turned = f"translate({left + middle},{size + 5}) rotate(-90)"
        parts.append(f'<text transform="{turned}" text-anchor="end">{escape(_short(label))}</text>')
        for column in np.flatnonzero(counts[row]).tolist():
            share = counts[row, column] / counts[row].sum()
            told = f"{label} called {labels[column]}: {counts[row, column]} of {counts[row].sum()}"
            kind = ' class="diagonal"' if row == column else ""
            parts.append(
                f'<rect{kind} x="{left + cell * column}" '
                f'y="{cell * row}" width="{cell}" height="{cell}" opacity="{0.15 + 0.85 * share:.2f}">'
                f"<title>{escape(told)}</title></rect>"
            )
    return "".join([*parts, "</svg>"])


def _decades(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    values = np.concatenate([ys[np.isfinite(ys) & (ys > 0)] for _, ys in curves])
    if len(values) == 0:
        return -1.0, 1.0
    lowest = max(math.floor(math.log10(values.min())), -2)
    return lowest, max(math.ceil(math.log10(values.max())), lowest + 1)


def _hundred(share: float) -> str:
    return f"{100 * share:.0f}"


def _joined(points: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _short(text: str, most: int = 20) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
