"""The sounds of a folder, cut out of its recordings, and scenes that mix them with each other and procedural sounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from flam.core import AudioError
from flam.data.labels import normalised
from flam.data.scene_source import SceneSource
from flam.library.measure import LIBRARY_RATE
from flam.library.source_library import SourceClip
from flam.library.stores import ClipStore
from flam.procedural import GENERATORS, built_in_library
from flam.scenes.distributions import Integers, LogUniform, Normal, Uniform
from flam.scenes.effects import EffectsConfig, FilterConfig
from flam.scenes.effects.chain import Sometimes
from flam.scenes.scene_config import RepeatConfig, SceneConfig, SourcePool, SplitConfig
from flam.training.finetune.cutting import FolderSound, sounds_of
from flam.training.finetune.folder import LabelledRecording

SOURCE = "folder"
SCENE = SceneConfig(
    background_share=0.7,
    background_db=Uniform((-55.0, -35.0)),
    single_share=0.3,
    n_events=Integers((1, 4)),
    pools=(SourcePool(0.55, (SOURCE,)), SourcePool(0.45)),
    label_power=0.0,
    snr_db=Uniform((0.0, 25.0)),
    split=SplitConfig(share=0.0),
    repeat=RepeatConfig(share=0.2, single_share=0.4),
    peak_db=Uniform((-30.0, -1.0)),
    effects=EffectsConfig(
        speed=Sometimes(0.3, Uniform((0.9, 1.1))),
        filter=FilterConfig(share=0.5, gain_db=Normal((0.0, 4.0)), band_limit_hz=LogUniform((3500.0, 16_000.0))),
    ),
)


class SoundLibrary(ClipStore):
    """Sounds in memory before those of another library, which must be at the same sample rate.

    Parameters
    ----------
    others : ClipStore
        asked for every clip that was not added
    """

    def __init__(self, others: ClipStore):
        self.sample_rate = LIBRARY_RATE
        self._others = others
        self._sounds: dict[str, FolderSound] = {}

    def add(self, clip_id: str, sound: FolderSound) -> None:
        """Keep a sound."""
        self._sounds[clip_id] = sound

    def n_samples(self, clip_id: str) -> int:
        """Length of a clip in samples."""
        return len(self._sounds[clip_id].samples) if clip_id in self._sounds else self._others.n_samples(clip_id)

    def spans_s(self, clip_id: str) -> list[tuple[float, float]]:
        """Where a clip is active, (onset_s, offset_s) in seconds."""
        return self._sounds[clip_id].spans_s if clip_id in self._sounds else self._others.spans_s(clip_id)

    def can_sound(self, clip_id: str) -> bool:
        """Whether a scene can use a clip; the others are not measured for it."""
        return super().can_sound(clip_id) if clip_id in self._sounds else self._others.can_sound(clip_id)

    def waveform(self, clip_id: str) -> np.ndarray:
        """(N,) float32 samples of a clip."""
        if clip_id not in self._sounds:
            return self._others.waveform(clip_id)
        sound = self._sounds[clip_id]
        return sound.samples.astype(np.float32) * np.float32(sound.scale)


def cut_sounds(
    recordings: Sequence[LabelledRecording],
    library: SoundLibrary,
    most_s: float,
    on_problem: Callable[[str], None] = lambda line: None,
    on_recording: Callable[[int], None] = lambda number: None,
) -> list[SourceClip]:
    """Cut the sounds out of recordings and add them to a library.

    What that is, ``flam.training.finetune.cutting.sounds_of`` says.

    Parameters
    ----------
    most_s : float
        so much of each label is kept, seconds
    on_problem : Callable[[str], None], optional
        called with a line for each recording that can't be read or is silent
    on_recording : Callable[[int], None], optional
        called, before each recording is read, with how many are done
    """
    clips: list[SourceClip] = []
    kept_s: dict[str, float] = {}
    for number, recording in enumerate(recordings):
        on_recording(number)
        wanted = recording.labels or {""}
        if all(kept_s.get(label, 0.0) >= most_s for label in wanted):
            continue
        n_before = len(clips)
        try:
            cut = sounds_of(recording, kept_s, most_s, on_problem)
        except AudioError as error:
            on_problem(str(error))
            continue
        for label, sound in cut:
            clip_id = f"{SOURCE} {recording.path} {len(clips)}"
            library.add(clip_id, sound)
            clips.append(_clip(clip_id, recording.path, label))
        if len(clips) == n_before and recording.label is not None:
            on_problem(f"{recording.path}: is silent and left out")
    return clips


def other_sounds(labels: Sequence[str]) -> tuple[str, ...]:
    """The procedural sounds that share no word with ``labels`` and are certainly something else.

    Examples
    --------
    >>> "dog bark" in other_sounds(["my dog"]), "door slam" in other_sounds(["my dog"])
    (False, True)
    """
    words = {word for label in labels for word in normalised(label).split()}
    return tuple(sorted(name for name in GENERATORS if not words & set(normalised(name).split())))


def scene_source(
    recordings: Sequence[LabelledRecording],
    others: Sequence[str],
    n_takes: int,
    most_s: float,
    n_samples: int,
    sample_rate: int,
    seed: int,
    on_problem: Callable[[str], None],
    on_recording: Callable[[int], None] = lambda number: None,
) -> SceneSource | None:
    """Scenes of the sounds of recordings and of procedural sounds; None where the recordings have no sound alone.

    Parameters
    ----------
    others : Sequence[str]
        procedural sounds
    n_takes : int
        of each; another ``seed`` is other takes
    most_s : float
        so much of each label is mixed from, seconds
    n_samples, sample_rate : int
        of a scene
    on_problem, on_recording : callable
        See ``cut_sounds``.
    """
    made, procedural = built_in_library(n_takes, seed, others)
    sounds = SoundLibrary(procedural)
    cut = cut_sounds(recordings, sounds, most_s, on_problem, on_recording)
    if not any(clip.label for clip in cut):
        return None
    return SceneSource([*cut, *made], sounds, SCENE, n_samples, sample_rate, seed)


def _clip(clip_id: str, path: Path, label: str) -> SourceClip:
    kind = "event" if label else "background"
    return SourceClip(clip_id, path, label, "", kind, clip_id, "", SOURCE, "")
