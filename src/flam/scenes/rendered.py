"""What rendering a plan gives: the waveform and everything that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flam.core import Event, RecordingEvents, TimeGrid


@dataclass(frozen=True)
class StemLevels:
    """Levels of one source in the finished scene.

    Parameters
    ----------
    clip_id : which clip
    level_db : A-weighted level of its active frames, dB re full scale, see ``Placement``; -120 for silence
    rms_db : plain RMS over its pieces, dB re full scale, the part of its reverberation in the scene included
    snr_db : ``level_db`` above that of the background, or above the level at which the plan puts the background where
        there is none; None for the background itself
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
    waveform : (N,) float32, the sum of the stems
    events : where labelled events can be heard, by onset; the background is not among them
    placed : where their pieces were placed, to the sample, before the boundary correction
    levels : of every source, in the order of the stems
    gain_db : by which the scene was scaled as a whole; the levels are those after it
    sample_rate : Hz
    stems : (S, N) float32, background first where there is one, then events, then overlays; None unless asked for
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

        >>> scene = RenderedScene(np.zeros(48_000, np.float32), (Event(0.2, 0.6, "siren"),), (), (), 0.0, 48_000)
        >>> scene.annotation("a.flac").duration_s
        1.0
        """
        return RecordingEvents(recording, self.duration_s, self.events)

    def frame_labels(self, grid: TimeGrid, prompts: Sequence[str]) -> np.ndarray:
        """Which prompts can be heard in which frames, by the rule of ``TimeGrid.frame_labels``.

        Parameters
        ----------
        grid : the frames, at the scene's sample rate
        prompts : K labels

        Returns
        -------
        (T, K) bool array

        >>> scene = RenderedScene(np.zeros(40, np.float32), (Event(0.0, 2.0, "siren"),), (), (), 0.0, 10)
        >>> scene.frame_labels(TimeGrid(10, 10), ["siren", "dog"]).tolist()
        [[True, False], [True, False], [False, False], [False, False]]
        """
        n_frames = grid.n_frames(len(self.waveform))
        labels = np.zeros((n_frames, len(prompts)), bool)
        for column, prompt in enumerate(prompts):
            spans_s = [(event.onset_s, event.offset_s) for event in self.events if event.prompt == prompt]
            labels[:, column] = grid.frame_labels(spans_s, n_frames)
        return labels
