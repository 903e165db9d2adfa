"""How the sounds of a folder are mixed with each other and with procedural sounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flam.data.scene_source import SceneSource
from flam.data.texts import normalised
from flam.procedural import GENERATORS, built_in_library
from flam.scenes.distributions import Integers, LogUniform, Normal, Uniform
from flam.scenes.effects import EffectsConfig, FilterConfig
from flam.scenes.effects.chain import Sometimes
from flam.scenes.scene_config import Pool, RepeatConfig, SceneConfig, SplitConfig
from flam.training.finetune.folder import LabelledRecording
from flam.training.finetune.sounds import SOURCE, SoundLibrary, cut_sounds

SCENE = SceneConfig(
    background_share=0.7,
    background_db=Uniform((-55.0, -35.0)),
    single_share=0.3,
    n_events=Integers((1, 4)),
    pools=(Pool(0.55, (SOURCE,)), Pool(0.45)),
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


def other_sounds(labels: Sequence[str]) -> tuple[str, ...]:
    """The procedural sounds that share no word with ``labels`` and are certainly something else.

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
) -> SceneSource | None:
    """Scenes of the sounds of recordings and of procedural sounds; None where the recordings have no sound alone.

    Parameters
    ----------
    others : procedural sounds
    n_takes : of each; another ``seed`` is other takes
    most_s : so much of each label is mixed from, seconds
    n_samples, sample_rate : of a scene
    """
    made, procedural = built_in_library(n_takes, seed, others)
    sounds = SoundLibrary(procedural)
    cut = cut_sounds(recordings, sounds, most_s, on_problem)
    if not any(clip.label for clip in cut):
        return None
    return SceneSource([*cut, *made], sounds, SCENE, n_samples, sample_rate, seed)
