"""Pictures of detections: spectrogram above, prompts over time below, events outlined."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flam.core import ConfigError, Event, FrameScores, spans_by_prompt
from flam.plots.layout import FigureLayout, Lane, draw_heat_map, draw_spectrogram, save_figure
from flam.plots.spectrogram import RecordingOrWaveform, Spectrogram, reduced_spectrogram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 60


def plot_detection(
    audio: RecordingOrWaveform | Spectrogram,
    scores: FrameScores,
    events: Sequence[Event],
    path: str | Path | None = None,
    negatives: Sequence[str] = (),
    title: str | None = None,
) -> Figure:
    """Draw one recording: its spectrogram, the score of every prompt over time, and the events found.

    It reads well from one prompt to forty and from a second to several hours; of more than 60 prompts, those with the
    highest scores are drawn.

    Parameters
    ----------
    audio : RecordingOrWaveform | Spectrogram
        path of the recording, or (waveform, sample_rate) with a (N,) or (channels, N) array, or its spectrogram
    scores : FrameScores
        (T, K) frame scores of the whole recording
    events : Sequence[Event]
        outlined on the row of their prompt
    path : str | Path | None, optional
        where to write the picture; the suffix tells its kind (png, pdf, svg, jpg); None to write nothing
    negatives : Sequence[str], default ()
        those of ``scores.prompts`` that suppress other prompts, drawn below the others in another colour
    title : str | None, optional
        None is the name of the recording, where ``audio`` tells it

    Raises
    ------
    AudioError
        the recording can't be read
    ConfigError
        matplotlib is not installed, or a kind of picture that it can't write
    OutputError
        the picture can't be written

    Examples
    --------
    >>> from flam.core import TimeGrid
    >>> waveform = np.random.default_rng(0).normal(size=48000).astype(np.float32)
    >>> scores = FrameScores(np.zeros((10, 1), np.float32), ("siren",), TimeGrid(48000, 4800), 0, 48000)
    >>> figure = plot_detection((waveform, 48000), scores, [Event(0.2, 0.5, "siren")])
    """
    spans = spans_by_prompt(events)
    rows = [
        Lane(prompt, scores.scores[:, index], prompt in set(negatives), spans.get(prompt, []))
        for index, prompt in enumerate(scores.prompts)
    ]
    return _plot(audio, rows, scores.grid.hop_s, scores.end_s, path, title=title)


def plot_sed_heatmap(
    audio: RecordingOrWaveform,
    scores: np.ndarray | Mapping[str, np.ndarray],
    prompts: Sequence[str] | None = None,
    path: str | Path | None = None,
    negatives: Sequence[str] = (),
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw a spectrogram above a heat map of scores or similarities that any model computed.

    Parameters
    ----------
    audio : RecordingOrWaveform
        path of the recording, or (waveform, sample_rate) with a (N,) or (channels, N) array
    scores : np.ndarray | Mapping[str, np.ndarray]
        (K, T) array in [0, 1] whose T frames span the recording, or a mapping of K prompts to (T,) arrays
    prompts : Sequence[str] | None, optional
        K texts; None where ``scores`` is a mapping
    path : str | Path | None, optional
        where to write the picture; None to write nothing
    negatives : Sequence[str], default ()
        those of the prompts that are drawn below the others in another colour
    figsize : tuple[float, float] | None, optional
        width and height, inches; None fits them to the number of prompts

    Raises
    ------
    AudioError
        the recording can't be read
    ConfigError
        scores and prompts don't fit together, or matplotlib is not installed
    OutputError
        the picture can't be written

    Examples
    --------
    >>> figure = plot_sed_heatmap((np.zeros(48000), 48000), {"dog barking": np.linspace(0, 1, 32)})
    """
    if isinstance(scores, Mapping):
        prompts = list(scores)
        table = np.stack([np.asarray(values) for values in scores.values()]) if scores else np.zeros((0, 0))
    else:
        table = np.asarray(scores)
    if prompts is None or table.ndim != 2 or len(table) != len(prompts):
        raise ConfigError(
            f"scores of shape {table.shape} need (K, T) with K = {0 if prompts is None else len(prompts)} prompts; "
            "give one prompt for each row, or a mapping of prompts to rows"
        )
    rows = [Lane(prompt, values, prompt in set(negatives), []) for prompt, values in zip(prompts, table, strict=True)]
    return _plot(audio, rows, None, None, path, figsize)


def _plot(
    audio: RecordingOrWaveform | Spectrogram,
    rows: list[Lane],
    hop_s: float | None,
    end_s: float | None,
    path: str | Path | None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    spectrogram = audio if isinstance(audio, Spectrogram) else reduced_spectrogram(audio, end_s)
    n_rows = len(rows)
    if n_rows > MOST_ROWS:
        # a stable sort: prompts keep their order among equals, and the chosen ones keep it altogether
        best = sorted(range(n_rows), key=lambda index: (not rows[index].is_negative, -rows[index].highest))[:MOST_ROWS]
        rows = [rows[index] for index in sorted(best)]
    rows = [row for row in rows if not row.is_negative] + [row for row in rows if row.is_negative]
    duration_s = spectrogram.duration_s if end_s is None else end_s
    # a name that is not UTF-8 can be opened, but not drawn
    if title is None:
        title = ""
        if isinstance(audio, str | Path):
            title = os.fsencode(Path(audio).name).decode("utf-8", "replace")
    note = "" if n_rows <= MOST_ROWS else f"{MOST_ROWS} of {n_rows} prompts, those with the highest scores"
    layout = FigureLayout(rows, duration_s, title, note)
    draw_spectrogram(layout, spectrogram)
    draw_heat_map(layout, rows, hop_s)
    if figsize is not None:
        layout.figure.set_size_inches(figsize)
    if path is not None:
        save_figure(layout.figure, Path(path))
    return layout.figure
