"""The picture of a scene: its spectrogram, and below it a lane for each source with its level and where it is heard."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flam.audio import a_weighted_levels_db
from flam.audio.loudness import LEVEL_HOP_S
from flam.data.stored_scenes import StoredScene
from flam.plots.layout import (
    FAINT,
    INK,
    OUTLINE,
    FigureLayout,
    Lane,
    draw_spectrogram,
    save_figure,
    shortened,
    time_ticks,
)
from flam.plots.spectrogram import reduced_spectrogram
from flam.scenes.scene import Placement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BACKGROUND_COLOUR = "#e9edf1"
LEVEL_COLOUR = "#5b6b7a"
LEVEL_RANGE_DB = (-80.0, 0.0)
SNR_RANGE_DB = (0.0, 30.0)
LEVEL_LANE = "level, dB(A)"
TITLE_CHARACTERS = 130


def plot_scene(scene: StoredScene, path: str | Path | None = None) -> Figure:
    """Draw a scene.

    The first lane is the A-weighted level of the whole. Each other lane is a source: filled where it was placed, the
    darker the higher its level above the background, and outlined where it can be heard.

    Parameters
    ----------
    scene : StoredScene
        what to draw
    path : str | Path | None, optional
        where to write the picture; the suffix tells its kind; None to write nothing

    Raises
    ------
    ConfigError
        matplotlib is not installed, or a kind of picture that it can't write
    OutputError
        the picture can't be written
    """
    lanes = sorted(
        zip(scene.plan.placements, scene.facts["levels"], strict=True),
        key=lambda lane: (lane[0] is not scene.plan.background, lane[0].onset_s),
    )
    titles = [LEVEL_LANE, *(_title(scene, placement) for placement, _ in lanes)]
    rows = [Lane(title, np.zeros(0), False, []) for title in titles]
    captions = scene.facts.get("captions") or [""]
    duration_s = scene.facts["duration_s"]
    note = f"{scene.name}; filled: placed, outlined: heard; numbers: dB(A) above the background"
    layout = FigureLayout(rows, duration_s, scene.name, note)
    title = textwrap.fill(shortened(captions[0], 2 * TITLE_CHARACTERS), TITLE_CHARACTERS + 10)
    layout.spectrogram_axes.set_title(
        title, loc="left", fontsize=8.5, color=INK, parse_math=False, fontfamily=layout.fonts
    )
    draw_spectrogram(layout, reduced_spectrogram((scene.waveform, scene.sample_rate), duration_s))
    _draw_lanes(layout, titles, lanes, scene)
    if path is not None:
        save_figure(layout.figure, Path(path))
    return layout.figure


def _title(scene: StoredScene, placement: Placement) -> str:
    label = scene.facts["clips"][placement.clip_id]["label"] or "(no label)"
    return f"{label} (background)" if placement is scene.plan.background else label


def _draw_lanes(
    layout: FigureLayout, titles: list[str], lanes: list[tuple[Placement, dict[str, Any]]], scene: StoredScene
) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    axes = layout.heat_axes
    colours = ScalarMappable(
        Normalize(*SNR_RANGE_DB), LinearSegmentedColormap.from_list("snr", ["#cfe6ee", "#5fb0c6", "#0d4f73"])
    )
    _draw_level(axes, scene)
    for lane, (placement, level) in enumerate(lanes, start=1):
        snr_db = level["snr_db"]
        colour = BACKGROUND_COLOUR if snr_db is None else colours.to_rgba(snr_db)
        for piece in placement.pieces:
            axes.barh(lane + 0.5, piece.duration_s, 0.74, piece.onset_s, color=colour, linewidth=0)
        heard = [event for event in scene.facts["events"] if event["clip"] == placement.clip_id]
        for event in heard:
            length_s = event["offset_s"] - event["onset_s"]
            axes.barh(
                lane + 0.5, length_s, 0.74, event["onset_s"], fill=False, edgecolor=OUTLINE, linewidth=1.2, zorder=3
            )
        _write(axes, lane, placement, level, heard, layout.duration_s)
    for number in range(1, len(titles)):
        axes.axhline(number, color=INK if number == 1 else FAINT, linewidth=1.0 if number == 1 else 0.6, zorder=0)
    axes.set_xlim(0.0, layout.duration_s)
    axes.set_ylim(len(titles), 0)
    axes.set_yticks(
        np.arange(len(titles)) + 0.5,
        [shortened(title) for title in titles],
        fontsize=9 if layout.row_in > 0.25 else 8,
        fontfamily=layout.fonts,
        parse_math=False,
    )
    axes.tick_params(axis="y", length=0)
    ticks = time_ticks(layout.duration_s)
    axes.set_xticks([second for second, _ in ticks], [text for _, text in ticks])
    scale = layout.figure.colorbar(colours, cax=layout.score_axes, ticks=[0, 10, 20, 30])
    scale.outline.set_visible(False)
    layout.score_axes.set_ylabel("SNR, dB", color=INK, fontsize=8.5, labelpad=2)


def _draw_level(axes: Any, scene: StoredScene) -> None:
    """The level of the whole scene in the first lane, from -80 at its foot to 0 dB at its top."""
    levels_db = a_weighted_levels_db(scene.waveform, scene.sample_rate)
    low, high = LEVEL_RANGE_DB
    height = np.clip((levels_db - low) / (high - low), 0.0, 1.0)
    at_s = (np.arange(len(levels_db)) + 0.5) * LEVEL_HOP_S
    axes.fill_between(at_s, 1.0, 1.0 - height, color=LEVEL_COLOUR, linewidth=0)


def _write(
    axes: Any, lane: int, placement: Placement, level: dict[str, Any], heard: list[dict[str, Any]], duration_s: float
) -> None:
    """The level of a source beside its first piece, where there is room."""
    text = f"{level['level_db']:.0f} dB(A)" if level["snr_db"] is None else f"{level['snr_db']:+.1f}"
    if level["snr_db"] is None:
        axes.text(0.01 * duration_s, lane + 0.5, text, fontsize=8, color=INK, va="center")
        return
    first = min(placement.pieces, key=lambda piece: piece.onset_s)
    ends = [piece.offset_s for piece in placement.pieces] + [event["offset_s"] for event in heard]
    if max(ends) < 0.93 * duration_s:
        axes.text(max(ends) + 0.006 * duration_s, lane + 0.5, text, fontsize=8, color=INK, va="center")
    elif first.onset_s > 0.07 * duration_s:
        axes.text(first.onset_s - 0.006 * duration_s, lane + 0.5, text, fontsize=8, color=INK, va="center", ha="right")
    else:
        axes.text(
            first.onset_s + 0.006 * duration_s,
            lane + 0.5,
            text,
            fontsize=8,
            va="center",
            color=INK,
            bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1.0},
        )
