"""The result of rendering a plan: the waveform and its labels, levels and sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flam.core import Event, RecordingEvents, TimeGrid, spans_by_prompt


@dataclass(frozen=True)
class StemLevels:
    """Levels of one source in the finished scene.

    Parameters
    ----------
    clip_id : str
        which clip
    level_db : float
        A-weighted level of its active frames, dB re full scale, see ``Placement``; -120 for silence
    rms_db : float
        plain RMS over its pieces, dB re full scale, the part of its reverberation in the scene included
    snr_db : float | None
        ``level_db`` above that of the background, or above the level at which the plan puts the background where there
        is none; None for the background itself
    """

    clip_id: str
    level_db: float
    rms_db: float
    snr_db: float | None


@dataclass(frozen=True)
class RenderedScene:
    """A rendered plan.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float32, the sum of the stems
    events : tuple[Event, ...]
        where labelled events can be heard, by onset; the background is not among them
    placed : tuple[Event, ...]
        where their pieces were placed, to the sample, before the boundary correction
    levels : tuple[StemLevels, ...]
        of every source, in the order of the stems
    gain_db : float
        by which the scene was scaled as a whole; the levels are those after it
    sample_rate : int
        Hz
    stems : np.ndarray | None, optional
        (S, N) float32, background first where there is one, then events, then overlays; None unless asked for
    """

    waveform: np.ndarray
    events: tuple[Event, ...]
    placed: tuple[Event, ...]
    levels: tuple[StemLevels, ...]
    gain_db: float
    sample_rate: int
    stems: np.ndarray | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.waveform) / self.sample_rate

    def annotation(self, recording: str) -> RecordingEvents:
        """The events as ``flam.annotations.write_events`` writes them, in DCASE's format, as JAMS or any other.

        Examples
        --------
        >>> scene = RenderedScene(np.zeros(48_000, np.float32), (Event(0.2, 0.6, "siren"),), (), (), 0.0, 48_000)
        >>> scene.annotation("a.flac").duration_s
        1.0
        """
        return RecordingEvents(recording, self.duration_s, self.events)

    def frame_labels(self, grid: TimeGrid, prompts: Sequence[str]) -> np.ndarray:
        """Which prompts can be heard in which frames, by the rule of ``TimeGrid.frame_labels``.

        Parameters
        ----------
        grid : TimeGrid
            the frames, at the scene's sample rate
        prompts : Sequence[str]
            K labels

        Returns
        -------
        np.ndarray
            (T, K) bool array

        Examples
        --------
        >>> scene = RenderedScene(np.zeros(40, np.float32), (Event(0.0, 2.0, "siren"),), (), (), 0.0, 10)
        >>> scene.frame_labels(TimeGrid(10, 10), ["siren", "dog"]).tolist()
        [[True, False], [True, False], [False, False], [False, False]]
        """
        return grid.label_matrix(spans_by_prompt(self.events), prompts, grid.n_frames(len(self.waveform)))
