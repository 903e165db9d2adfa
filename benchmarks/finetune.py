"""Fine-tuning on 20 clips of a class that the model has no word for: what it gains, and what other prompts lose.

    python benchmarks/finetune.py --library library/manifest.csv

For each of some classes of the library, a folder of 20 clips of 20 groups is named by a made-up word and given to
``flam finetune`` with its defaults (which hold out a quarter of the 20 for their own table). Frame AUROC of that word
and of 50 other labels is then measured on mixtures of clips of other groups, which nothing was learnt from here, over
the backgrounds of the library. As any sound scores above none, it is also given for frames with an event alone.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from flam.audio import read_audio
from flam.core import AudioError
from flam.data.scene_source import SceneSource
from flam.model.checkpoint import load_checkpoint
from flam.model.hub import resolve
from flam.synth.distributions import Integers, Uniform
from flam.synth.procedural import library as procedural_library
from flam.synth.scene_config import Pool, SceneConfig
from flam.synth.source_library import SourceClip, read_manifest
from flam.training.finetune.comparison import frame_aurocs
from flam.training.finetune.config import FinetuneConfig
from flam.training.finetune.examples import Embedder, scene_jobs
from flam.training.finetune.run import finetune
from flam.training.finetune.scenes import other_sounds
from flam.training.finetune.sounds import LIBRARY_RATE, SoundLibrary

WORDS = ("zorblat", "plimfu", "grumvik", "dwozel", "skarn", "hulvim")
N_LEARN, N_GROUPS, N_OTHERS, N_CLIPS, LONGEST_S = 20, 35, 50, 6, 10.0
SCENE = SceneConfig(
    single_share=0.3,
    n_events=Integers((1, 4)),
    pools=(Pool(0.15, ("held out",)), Pool(0.85)),
    label_power=0.0,
    peak_db=Uniform((-30.0, -1.0)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True, help="manifest of labelled clips with groups")
    parser.add_argument("--model", default="flam-mini")
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--scenes", type=int, default=240)
    parser.add_argument("--epochs", type=int, default=FinetuneConfig().epochs)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    groups: dict[str, dict[str, list[SourceClip]]] = defaultdict(lambda: defaultdict(list))
    backgrounds = []
    for clip in read_manifest(arguments.library):
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
    for label, word in zip(chosen, WORDS, strict=False):
        print(row(str(label), word, groups, backgrounds, arguments), flush=True)


def row(
    label: str,
    word: str,
    groups: dict[str, dict[str, list[SourceClip]]],
    backgrounds: list[SourceClip],
    arguments: argparse.Namespace,
) -> str:
    rng = np.random.default_rng(1)
    order = [sorted(groups[label])[place] for place in rng.permutation(len(groups[label]))]
    others = [name for name in groups if not set(name.split()) & set(label.split()) and len(groups[name]) >= N_CLIPS]
    others = sorted(others, key=lambda name: -len(groups[name]))[:N_OTHERS]
    with tempfile.TemporaryDirectory() as folder:
        recordings = Path(folder, "recordings", word)
        recordings.mkdir(parents=True)
        for number, group in enumerate(order[:N_LEARN]):
            path = groups[label][group][0].path.absolute()
            (recordings / f"{'abcdefghijklmnopqrst'[number]}{path.suffix}").symlink_to(path)
        cpu_s = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        config = FinetuneConfig(epochs=arguments.epochs)
        outcome = finetune(recordings.parent, arguments.model, Path(folder, "own"), config, device="cpu")
        cpu_s = resource.getrusage(resource.RUSAGE_SELF).ru_utime - cpu_s
        held_out = [replace(clip, source="held out") for group in order[N_LEARN:] for clip in groups[label][group][:1]]
        clips = held_out + [
            clip
            for name in others
            for group in rng.permutation(sorted(groups[name]))[:N_CLIPS]
            for clip in groups[name][str(group)][:1]
        ]
        before = load_checkpoint(resolve(arguments.model)).model
        source = mixtures(clips + backgrounds, before.audio_encoder.window_samples, before.audio_encoder.sample_rate)
        Path(folder, "heard").mkdir()
        embedder = Embedder(before, (label, *others), Path(folder, "heard"))
        heard = embedder.embed("scenes", scene_jobs(source, arguments.scenes), lambda done, total: None)
        texts = (word, *others)
        after = load_checkpoint(outcome.folder).model
        then, now = (frame_aurocs(model, heard, texts) for model in (before, after))
        events = heard._replace(valid=heard.labels.any(dim=-1))
        then_events, now_events = (frame_aurocs(model, events, texts)[word] for model in (before, after))
    changes = [now[name] - then[name] for name in others]
    means = [np.nanmean([values[name] for name in others]) for values in (then, now)]
    return (
        f"| {label} | {word} | {then[word]:.3f} | {now[word]:.3f} | {then_events:.3f} | {now_events:.3f} "
        f"| {means[0]:.4f} | {means[1]:.4f} "
        f"| {np.nanmin(changes):+.3f} | {cpu_s:.0f} |"
    )


def mixtures(clips: list[SourceClip], n_samples: int, sample_rate: int) -> SceneSource:
    """Scenes of clips, decoded here."""
    sounds = SoundLibrary(procedural_library(1, labels=["rain"])[1])
    heard = []
    for clip in clips:
        try:
            waveform = read_audio(clip.path, LIBRARY_RATE)[: round(LONGEST_S * LIBRARY_RATE)]
        except AudioError:
            continue
        if sounds.add(clip.clip_id, waveform):
            heard.append(replace(clip, kind="background" if clip.kind == "background" else "event"))
    return SceneSource(heard, sounds, SCENE, n_samples, sample_rate, seed=7)


OTHERS = other_sounds([])

if __name__ == "__main__":
    main()
