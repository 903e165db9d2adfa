"""Scenes to review and scenes to judge a review by, of held-out clips: rendered and encoded once, then kept.

The groups of each label are dealt out to two halves, as are those of the ambience. Of the first half are the scenes to
review and further mixtures of the same clips (as if the same place were recorded again), of the second half scenes in
which every recording is new.
"""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from flam.audio.write import write_audio
from flam.benchmark.recipes import RecipeFile
from flam.core import Event, FrameScores, from_mapping, load_yaml
from flam.core.documents import parse_yaml
from flam.data.phrases import heard_in, load_phrases
from flam.detection import Detector
from flam.detection.scores import score
from flam.library.bank import WaveformBank
from flam.library.source_library import HeldOutConfig, SourceClip, read_manifest
from flam.scenes.plan import SceneDrawer
from flam.scenes.render import Renderer

SPLIT = Path(__file__).parent.parent / "recipes" / "flam_mini" / "scenes.yaml"
CONFIGS = Path(__file__).parent.parent / "configs"
N_LABELS = 50
# name, half, seed
PARTS = (("reviewed", 0, 0), ("again", 0, 1), ("new", 1, 2))


@dataclass(frozen=True)
class Scene:
    """A recording as the model hears it, and what is in it.

    Parameters
    ----------
    path : str
        Where it lies as a file, if it does.
    features : numpy.ndarray
        (T, D) float32.
    n_samples : int
        At the model's rate.
    events : tuple of Event
        Of the prompts.
    unsure : frozenset of str
        Prompts that its background may fulfil; they don't count in it.
    """

    path: str
    features: np.ndarray
    n_samples: int
    events: tuple[Event, ...]
    unsure: frozenset[str]

    def scored(self, detector: Detector, prompts: tuple[str, ...]) -> FrameScores:
        """The scores of some prompts, by this model or one fine-tuned from it, which hears the same."""
        values = score(self.features, detector.embed_text(prompts), detector.config.score)
        return FrameScores(values, prompts, detector.grid, 0, self.n_samples)


@dataclass(frozen=True)
class Material:
    """The prompts, most frequent first, and the recordings: scenes of each part, and ambience."""

    prompts: tuple[str, ...]
    reviewed: tuple[Scene, ...]
    again: tuple[Scene, ...]
    new: tuple[Scene, ...]
    ambience: tuple[Scene, ...]


def material(manifest: Path, folder: Path, detector: Detector, n_scenes: int) -> Material:
    """Take what lies in the folder, or make it.

    Parameters
    ----------
    manifest : Path
        The library of which ``recipes/flam_mini`` holds clips out.
    folder : Path
        Where the scenes are kept; those to be reviewed also as files, to learn from.
    detector : Detector
        Encodes them.
    n_scenes : int
        Of each part.
    """
    kept = folder / "material.pickle"
    if kept.exists():
        return pickle.loads(kept.read_bytes())
    split = from_mapping(
        HeldOutConfig, parse_yaml(SPLIT.read_text(), str(SPLIT))["task"]["scenes"]["split"], str(SPLIT)
    )
    clips = [clip for clip in read_manifest(manifest) if split.holds_out(clip)]
    WaveformBank.build(clips, folder / "bank")
    bank = WaveformBank(folder / "bank")
    clips = [clip for clip in clips if clip.clip_id in bank]
    groups: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        if clip.kind != "background" and clip.label:
            groups[clip.label].add(clip.group)
    prompts = tuple(sorted(groups, key=lambda label: (-len(groups[label]), label))[:N_LABELS])
    clips = [clip for clip in clips if clip.kind == "background" or clip.label in prompts]
    phrase_sets = load_phrases(CONFIGS / "phrases")
    recipe = load_yaml(RecipeFile, CONFIGS / "benchmarks" / "flam_mini.yaml").scenes
    assert recipe is not None
    scene = recipe.scene
    half_of = dealt_out(clips)

    def heard(waveform: np.ndarray, events: Sequence[Event], background: SourceClip | None, path: str = "") -> Scene:
        features = detector.embed_frames((waveform, bank.sample_rate))
        n_samples = round(len(waveform) * detector.sample_rate / bank.sample_rate)
        return Scene(path, features, n_samples, tuple(events), heard_in(background, prompts, phrase_sets))

    made_parts = []
    for name, half, seed in PARTS:
        own = [clip for clip in clips if half_of[clip.group] == half]
        by_id = {clip.clip_id: clip for clip in own}
        drawer = SceneDrawer(own, bank, replace(scene, label_power=0.0))
        renderer = Renderer(bank, {clip.clip_id: clip.label for clip in own if clip.kind != "background"})
        scenes = []
        for number in range(n_scenes):
            plan = drawer.draw(seed, number)
            rendered = renderer.render(plan)
            path = folder / name / f"{number:04d}.wav"
            if name == "reviewed":
                path.parent.mkdir(exist_ok=True)
                write_audio(path, rendered.waveform, bank.sample_rate)
            background = None if plan.background is None else by_id[plan.background.clip_id]
            scenes.append(heard(rendered.waveform, rendered.events, background, str(path)))
        made_parts.append(tuple(scenes))
    backgrounds = [clip for clip in clips if clip.kind == "background"]
    ambience = tuple(heard(bank.waveform(clip.clip_id), (), clip) for clip in backgrounds)
    made = Material(prompts, *made_parts, ambience)
    kept.write_bytes(pickle.dumps(made))
    return made


def dealt_out(clips: Sequence[SourceClip]) -> dict[str, int]:
    """Group to its half; of each label, and of the backgrounds, as many groups go to one as to the other."""
    half_of: dict[str, int] = {}
    balance: dict[str, int] = defaultdict(int)
    for clip in sorted(clips, key=lambda clip: (clip.label, sha256(clip.group.encode()).digest())):
        label = "" if clip.kind == "background" else clip.label
        if clip.group not in half_of:
            half_of[clip.group] = int(balance[label] > 0)
            balance[label] += 1 - 2 * half_of[clip.group]
    return half_of
