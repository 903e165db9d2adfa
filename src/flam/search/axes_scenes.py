"""Sound to fit the axes of a model on: scenes of built-in sounds, so that anybody can fit them again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from flam.audio import resample
from flam.procedural.built_in import built_in_library
from flam.scenes.scene_config import SceneConfig
from flam.scenes.stream import SceneStream

TAKES = 2


def scene_waveforms(n_scenes: int, seed: int, sample_rate: int) -> Iterator[np.ndarray]:
    """Render scenes of all built-in sounds.

    Parameters
    ----------
    n_scenes : int
        Scenes of ten seconds.
    seed : int
        Another seed draws other scenes of other takes.
    sample_rate : int
        Hz.

    Returns
    -------
    iterator of numpy.ndarray
        (N,) float32 each.
    """
    clips, source = built_in_library(TAKES, seed)
    for _, scene in SceneStream(clips, source, SceneConfig(), seed).first(n_scenes):
        yield resample(np.asarray(scene.waveform, np.float32), scene.sample_rate, sample_rate)
