"""The worst recordings of a system: picture, sound, ground truth, and what was detected instead."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from flam.audio import read_audio, write_audio
from flam.benchmark.benchmark import Item
from flam.benchmark.evaluation import Evaluation
from flam.benchmark.report.charts import colour
from flam.core import spans_by_prompt
from flam.evaluation.auroc import auroc
from flam.evaluation.table import ScoreTable
from flam.plots.spectrogram import reduced_spectrogram

SAMPLE_RATE = 48_000
LONGEST_S = 20.0  # of longer recordings, the page holds the part where the scores are furthest off
N_COLUMNS = 360
RANGE_DB = 70.0
MOST_PRESENT, MOST_ABSENT = 8, 3


def worst_scenes(evaluation: Evaluation, n_scenes: int) -> str:
    """Panels of the recordings with the lowest AUROC over their own frames and prompts, by the first system.

    Parameters
    ----------
    evaluation : Evaluation
        of frames
    n_scenes : int
        most panels
    """
    tables = [result.table for result in evaluation.results.values() if result.table is not None]
    first = tables[0]
    areas = {name: _area(first, r) for r, name in enumerate(first.recordings)}
    ranked = sorted((area, name) for name, area in areas.items() if not np.isnan(area))
    items = {item.name: item for item in evaluation.benchmark.items}
    panels = [_panel(items[name], area, tables) for area, name in ranked[:n_scenes]]
    return f'<div class="scenes">{"".join(panels)}</div>'


def _rows(table: ScoreTable, recording: str) -> slice:
    r = table.recordings.index(recording)
    return slice(*table.first_row[r : r + 2])


def _area(table: ScoreTable, r: int) -> float:
    rows = slice(*table.first_row[r : r + 2])
    return auroc(table.scores[rows].ravel(), table.frame_labels[rows].ravel())


def _panel(item: Item, area: float, tables: Sequence[ScoreTable]) -> str:
    start_s, end_s = _excerpt(tables[0], item.name)
    waveform = read_audio(item.path, SAMPLE_RATE)[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)]
    length_s = len(waveform) / SAMPLE_RATE
    lanes = "".join(_lane(prompt, item, tables, start_s, end_s) for prompt in _prompts(item, tables[0], start_s, end_s))
    part = f", from {start_s:.0f} s" if start_s else ""
    times = "".join(f"<span>{start_s + share * length_s:.1f} s</span>" for share in (0, 0.25, 0.5, 0.75, 1))
    return (
        f'<section class="panel scene" data-length="{length_s:.3f}"><h3>{escape(item.name)}{part}'
        f"<small>AUROC {100 * area:.1f}</small></h3>"
        f'<div class="stack"><img alt="spectrogram" src="{_picture(waveform)}">{lanes}<div class="cursor"></div></div>'
        f'<div class="times">{times}</div>'
        f'<audio controls preload="metadata" src="{_sound(waveform)}"></audio></section>'
    )


def _excerpt(table: ScoreTable, recording: str) -> tuple[float, float]:
    """Where to look, in seconds: all of a short recording."""
    rows = _rows(table, recording)
    end_s = float(table.ends_s[rows][-1])
    if end_s <= LONGEST_S:
        return 0.0, end_s
    off = np.abs(table.scores[rows] - table.frame_labels[rows]).sum(axis=1)
    n_frames = round(LONGEST_S / table.grid.hop_s)
    first = int(np.convolve(off, np.ones(n_frames), "valid").argmax())
    return table.grid.frame_s(first), table.grid.frame_s(first + n_frames)


def _prompts(item: Item, table: ScoreTable, start_s: float, end_s: float) -> list[str]:
    """What sounds in the excerpt, then what sounds nowhere in the recording and scores highest in the excerpt."""
    here = [event.prompt for event in item.events if event.onset_s < end_s and event.offset_s > start_s]
    present = list(dict.fromkeys(here))[:MOST_PRESENT]
    rows = _rows(table, item.name)
    inside = (table.starts_s[rows] < end_s) & (table.ends_s[rows] > start_s)
    highest = table.scores[rows][inside].max(axis=0)
    there = {event.prompt for event in item.events}
    absent = [table.prompts[k] for k in np.argsort(-highest) if table.prompts[k] not in there]
    return present + absent[:MOST_ABSENT]


def _lane(prompt: str, item: Item, tables: Sequence[ScoreTable], start_s: float, end_s: float) -> str:
    """One prompt over time: bands where it sounds, a line for the score of each system."""
    spans = spans_by_prompt(item.events).get(prompt, [])
    shown = [(max(onset_s, start_s) - start_s, min(offset_s, end_s) - start_s) for onset_s, offset_s in spans]
    parts = [
        f'<rect x="{left:.3f}" y="0" width="{right - left:.3f}" height="1"/>' for left, right in shown if right > left
    ]
    for number, table in enumerate(tables):
        rows, k = _rows(table, item.name), table.prompts.index(prompt)
        middles = (table.starts_s[rows] + table.ends_s[rows]) / 2 - start_s
        points = [
            f"{x:.2f},{0.96 - 0.92 * y:.3f}"
            for x, y in zip(middles.tolist(), table.scores[rows, k].tolist(), strict=True)
            if 0 <= x <= end_s - start_s
        ]
        parts.append(f'<path style="{colour(number)}" d="M{"L".join(points)}"/>')
    return (
        f'<div class="lane{"" if spans else " absent"}"><svg viewBox="0 0 {end_s - start_s:.3f} 1" '
        f'preserveAspectRatio="none">{"".join(parts)}</svg>'
        f"<em>{escape(prompt)}{'' if spans else ' (not there)'}</em></div>"
    )


def _picture(waveform: np.ndarray) -> str:
    from matplotlib.image import imsave

    level_db = reduced_spectrogram((waveform, SAMPLE_RATE), n_columns=N_COLUMNS).level_db
    file = io.BytesIO()
    highest = float(level_db.max(initial=-200.0))
    imsave(file, level_db, cmap="magma", origin="lower", format="png", vmin=highest - RANGE_DB, vmax=highest)
    return _uri("image/png", file.getvalue())


def _sound(waveform: np.ndarray) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "excerpt.opus")
        write_audio(path, waveform, SAMPLE_RATE)
        return _uri("audio/ogg", path.read_bytes())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
