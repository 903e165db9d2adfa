"""Fine-tuning on 20 clips of a class that the model has no word for: what it gains, and what other prompts lose.

    python benchmarks/finetune.py --library library/manifest.csv

For each of some classes of the library, a folder of 20 clips of 20 groups is named by a made-up word and given to
``flam finetune`` with its defaults (which hold out 4 of the 20 for their own table). Frame AUROC of that word
and of 50 other labels is then measured on mixtures of clips of other groups, which nothing was learnt from here, over
the backgrounds of the library. As any sound scores above none, it is also given for frames with an event alone; of
some made-up words, the one that tells least of the class before, which is nearest to 0.5 there, is taken.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import torch

from flam.audio import read_audio
from flam.core import AudioError
from flam.data.scene_source import SceneSource
from flam.hub.hub import resolve
from flam.library.source_library import SourceClip, read_manifest
from flam.model.checkpoint import load_checkpoint
from flam.procedural import built_in_library
from flam.scenes.distributions import Integers, Uniform
from flam.scenes.scene_config import SceneConfig, SourcePool
from flam.training.finetune.comparison import frame_aurocs
from flam.training.finetune.cutting import folder_sound
from flam.training.finetune.examples import ExampleCache, scene_jobs
from flam.training.finetune.run import FinetuneConfig, finetune
from flam.training.finetune.sounds import LIBRARY_RATE, SoundLibrary, other_sounds

WORDS = ("zorblat", "plimfu", "grumvik", "dwozel", "skarn", "hulvim")
N_LEARN, N_GROUPS, N_OTHERS, N_CLIPS, LONGEST_S = 20, 35, 50, 6, 10.0
SCENE = SceneConfig(
    single_share=0.3,
    n_events=Integers((1, 4)),
    pools=(SourcePool(0.15, ("held out",)), SourcePool(0.85)),
    label_power=0.0,
    peak_db=Uniform((-30.0, -1.0)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--library", dest="manifest", type=Path, required=True, help="manifest of labelled clips with groups"
    )
    parser.add_argument("--model", default="flam-mini")
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--scenes", type=int, default=240)
    parser.add_argument("--epochs", type=int, default=FinetuneConfig().epochs)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    groups: dict[str, dict[str, list[SourceClip]]] = defaultdict(lambda: defaultdict(list))
    backgrounds = []
    for clip in read_manifest(arguments.manifest):
        if clip.kind == "background":
            backgrounds.append(replace(clip, label="", caption=""))
        elif clip.label and clip.kind in ("event", "speech"):
            groups[clip.label][clip.group].append(clip)
    # a class that the fine-tuning can make itself would be its own negative example
    unmade = [label for label in sorted(groups) if len(groups[label]) >= N_GROUPS and other_sounds([label]) == OTHERS]
    chosen = np.random.default_rng(0).permutation(unmade)[: arguments.classes]
    print(f"classes with {N_GROUPS} groups and more that are not procedural: {', '.join(unmade)}")
    print("| class | said as | before | after | events: before | after | 50 others: before | after | worst | CPU s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for label in chosen:
        print(row(str(label), groups, backgrounds, arguments), flush=True)


def row(
    label: str,
    groups: dict[str, dict[str, list[SourceClip]]],
    backgrounds: list[SourceClip],
    arguments: argparse.Namespace,
) -> str:
    rng = np.random.default_rng(1)
    order = [str(name) for name in rng.permutation(sorted(groups[label]))]
    others = [name for name in groups if not set(name.split()) & set(label.split()) and len(groups[name]) >= N_CLIPS]
    others = sorted(others, key=lambda name: -len(groups[name]))[:N_OTHERS]
    clips = [replace(groups[label][group][0], source="held out") for group in order[N_LEARN:]]
    for name in others:
        clips += [groups[name][str(group)][0] for group in rng.permutation(sorted(groups[name]))[:N_CLIPS]]
    before = load_checkpoint(resolve(arguments.model)).model
    source = mixtures(clips + backgrounds, before.audio_encoder.window_samples, before.audio_encoder.sample_rate)
    with tempfile.TemporaryDirectory() as folder:
        embedder = ExampleCache(before, (label, *others), Path(folder))
        heard = embedder.embed("scenes", scene_jobs(source, arguments.scenes), lambda done, total: None)
        events = heard._replace(valid=heard.labels.any(dim=-1))
        said = {word: frame_aurocs(before, events, (word, *others))[word] for word in WORDS}
        word = min(WORDS, key=lambda name: abs(said[name] - 0.5))
        recordings = Path(folder, "recordings", word)
        recordings.mkdir(parents=True)
        for letter, group in zip(ascii_lowercase, order[:N_LEARN], strict=False):
            path = groups[label][group][0].path.absolute()
            (recordings / f"{letter}{path.suffix}").symlink_to(path)
        begun_s = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        config = FinetuneConfig(epochs=arguments.epochs)
        outcome = finetune(recordings.parent, arguments.model, Path(folder, "own"), config, device="cpu")
        cpu_s = resource.getrusage(resource.RUSAGE_SELF).ru_utime - begun_s
        after = load_checkpoint(outcome.folder).model
    texts = (word, *others)
    then, now = (frame_aurocs(model, heard, texts) for model in (before, after))
    of_events = frame_aurocs(after, events, texts)[word]
    means = [np.nanmean([values[name] for name in others]) for values in (then, now)]
    worst = np.nanmin([now[name] - then[name] for name in others])
    return (
        f"| {label} | {word} | {then[word]:.3f} | {now[word]:.3f} | {said[word]:.3f} | {of_events:.3f} "
        f"| {means[0]:.4f} | {means[1]:.4f} | {worst:+.3f} | {cpu_s:.0f} |"
    )


def mixtures(clips: list[SourceClip], n_samples: int, sample_rate: int) -> SceneSource:
    """Scenes of clips, decoded here."""
    sounds = SoundLibrary(built_in_library(1, labels=["rain"])[1])
    heard = []
    for clip in clips:
        try:
            waveform = read_audio(clip.path, LIBRARY_RATE)[: round(LONGEST_S * LIBRARY_RATE)]
        except AudioError:
            continue
        sound = folder_sound(waveform)
        if sound is not None:
            sounds.add(clip.clip_id, sound)
            heard.append(replace(clip, kind="background" if clip.kind == "background" else "event"))
    return SceneSource(heard, sounds, SCENE, n_samples, sample_rate, seed=7)


OTHERS = other_sounds([])

if __name__ == "__main__":
    main()
