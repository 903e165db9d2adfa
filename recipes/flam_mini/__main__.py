"""The steps of flam-mini that are no training, from a library of clips to a packaged model.

    python -m recipes.flam_mini made bank bandwidths windows pool --teacher TAGGER.tflite
    flam train recipes/flam_mini/text.yaml -o runs/flam-mini/text
    flam train recipes/flam_mini/head.yaml -o runs/flam-mini/head
    flam train recipes/flam_mini/frames.yaml -o runs/flam-mini/frames
    python -m recipes.flam_mini package operate

Every step can be interrupted and repeated. ``made`` writes sounds of our own, ``bank`` decodes the clips,
``bandwidths`` writes them again with bandwidths that say nothing of their labels, ``words`` learns word pieces (only
for a text tower from nothing), ``windows`` runs the teacher over every clip, ``pool`` renders scenes with the teacher's
targets, ``leaks`` looks whether the recorder gives labels away; after the training ``package`` takes the model out of
its run, ``operate`` adds the curve of false alarms and the kinds of sound. ``pool`` may run beside the training, and
in several processes: ``--shards 0:200:2`` and ``--shards 1:200:2`` share the work. The figures of the finished model
come from ``flam evaluate``, see the README.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.recfunctions import repack_fields
from rich.console import Console

from flam.benchmark.recipes import RecipeFile
from flam.core import ConfigError, FlamError, load_yaml, to_mapping
from flam.core.progress import Progress
from flam.data.texts import FILLERS, ontology_pairs, read_pairs
from flam.detection.load import load
from flam.hub.hub import resolve
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.model.checkpoint import load_checkpoint, save_checkpoint
from flam.model.export import export_onnx
from flam.model.towers import TwoTowers
from flam.training.augment import degraded
from flam.training.recipe import load_recipe
from flam.training.start import read_tokenizer
from flam.training.teacher_scenes import TeacherScenes
from recipes.flam_mini.bandwidths import build_variant
from recipes.flam_mini.clip_windows import embed_clips
from recipes.flam_mini.config import DataRecipe
from recipes.flam_mini.leaks import label_leaks
from recipes.flam_mini.made_sounds import make_sounds
from recipes.flam_mini.operating import curve_scores, false_alarm_curve, kinds_of_sound
from recipes.flam_mini.pool import build_pool
from recipes.flam_mini.scales import narrow_scales
from recipes.flam_mini.teacher import Teacher
from recipes.flam_mini.word_pieces import train_tokenizer

HERE = Path(__file__).parent
BENCHMARK = HERE.parents[1] / "configs" / "benchmarks" / "flam_mini.yaml"
STEPS = (
    *("made", "bank", "bandwidths", "words", "windows", "pool", "leaks"),
    *("package", "operate"),
)
CURVE_SCENES = 200
console = Console(stderr=True)


class Run:
    """One making of the model: its recipes, its library split in two, and its working folder."""

    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        self.data = load_yaml(DataRecipe, arguments.data)
        recipe = load_recipe(arguments.recipe, arguments.set)
        self.scenes_config = recipe.task.scenes
        self.work: Path = self.scenes_config.training.parent
        self.work.mkdir(parents=True, exist_ok=True)
        self.windows_path: Path = load_recipe(arguments.head, arguments.set).task.windows
        self.model_folder = self.work / "flam-mini"

    @cached_property
    def scenes(self) -> TeacherScenes:
        """The library and its split; its texts are not asked for here."""
        return TeacherScenes(self.scenes_config, read_tokenizer("flam-mini"))

    @cached_property
    def whole_bank(self) -> WaveformBank:
        """The decoded clips."""
        return WaveformBank(self.work / "bank")

    @property
    def training_clips(self) -> list[SourceClip]:
        """What training may hear, of what could be decoded."""
        return [clip for clip in self.scenes.training_clips if clip.clip_id in self.whole_bank]

    @property
    def held_out_clips(self) -> list[SourceClip]:
        """What only validation and evaluation hear, of what could be decoded."""
        return [clip for clip in self.scenes.held_out_clips if clip.clip_id in self.whole_bank]

    def made(self) -> None:
        """Make sounds of our own."""
        if not (self.work / "made" / "manifest.csv").exists():
            make_sounds(self.work / "made", self.data.made_takes, self.data.made_sentences, self.data.seed)

    def bank(self) -> None:
        """Decode every clip once."""
        if (self.work / "bank" / "index.json").exists():
            return
        left_out = WaveformBank.build(self.scenes.clips, self.work / "bank", progress=_progress("clips decoded"))
        console.print(f"{len(left_out)} silent or broken clips left out: {', '.join(left_out[:10])}")

    def bandwidths(self) -> None:
        """Write the clips again with bandwidths that say nothing of their labels."""
        for number in range(self.data.n_bandwidths):
            build_variant(self.whole_bank, self.work / f"bandwidths-{number}", number, _progress("bandwidths drawn"))

    def words(self) -> None:
        """Learn word pieces from pairs and phrases, for a text tower that begins from nothing."""
        pairs = [pair for path in self.arguments.pairs for pair in read_pairs(path)]
        if self.arguments.ontology is not None:
            pairs += 10 * ontology_pairs(self.arguments.ontology)
        texts = [text for phrases in self.scenes.phrase_sets.values() for text in (phrases.label, *phrases.phrases)]
        # phrases weigh more than glosses, so that words for sounds become pieces of their own
        corpus = [text for pair in pairs for text in pair] + 20 * texts + [*FILLERS]
        train_tokenizer(corpus, self.data.vocab_size).save(str(self.work / "tokenizer.json"))

    def windows(self) -> None:
        """Run the teacher over every clip."""
        if not self.windows_path.exists():
            teacher = Teacher(self.arguments.teacher)
            heard = embed_clips(self.scenes.clips, self.whole_bank, teacher, _progress("clips heard by the teacher"))
            heard.save(self.windows_path)

    def pool(self) -> None:
        """Render scenes: first those for validation, from held-out clips alone, then those for training."""
        data, scenes, config = self.data, self.scenes, self.scenes_config
        teacher = Teacher(self.arguments.teacher)
        first, last, stride = self.arguments.shards or (0, data.n_shards, 1)
        variants = [WaveformBank(self.work / f"bandwidths-{number}") for number in range(data.n_bandwidths)]
        for folder, clips, shards, heard in (
            (config.validation, scenes.held_out_clips, range(first, data.n_validation_shards, stride), []),
            (config.training, scenes.training_clips, range(first, last, stride), variants),
        ):
            told = _announce(folder.name)
            build_pool(clips, scenes.labels, self.whole_bank, teacher, folder, shards, data.pool, told, heard)

    def leaks(self) -> None:
        """Say how far a probe of the recorder alone tells labels of single sounds, as training hears them."""
        shards = [np.load(path, mmap_mode="r") for path in sorted(self.scenes_config.training.glob("*.npy"))]
        rows = np.concatenate(
            [repack_fields(shard[["logmel", "label", "single"]])[shard["single"]] for shard in shards]
        )
        rng = np.random.default_rng(self.data.seed)
        heard = degraded(torch.from_numpy(rows["logmel"].astype(np.float32)), rng).numpy()
        labels = [self.scenes.labels[row] for row in rows["label"][:, 0]]
        found = label_leaks(heard, labels, self.scenes.clips)
        (self.work / "leaks.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        console.print(found)

    def package(self) -> None:
        """Take the model out of its training run: its mean with the one it began from, its scales closer together."""
        model = load_checkpoint(self.arguments.run or self.work / "frames" / "final").model
        if self.data.start_share:
            start = load_checkpoint(resolve(self.arguments.start)).model.state_dict()
            model.load_state_dict(averaged_weights(start, model.state_dict(), self.data.start_share))
        narrow_scales(model, sorted(self.scenes.phrase_sets), self.data.narrowed_scales)
        self._save(model)
        console.print(f"checkpoint in {self.model_folder}")

    def operate(self) -> None:
        """Measure the curve of false alarms on held-out recordings, and package the model with it and its graphs."""
        kinds = kinds_of_sound(self.scenes.training_clips, self.whole_bank, self.data.kinds)
        detector = load(self.model_folder, device="cpu", backend="torch")
        benchmark = load_yaml(RecipeFile, self.arguments.benchmark).scenes
        if benchmark is None:
            raise ConfigError(f"{self.arguments.benchmark}: holds no scenes; the curve of false alarms needs them")
        drawn = dataclasses.replace(benchmark, n_scenes=CURVE_SCENES)
        phrase_sets = self.scenes.phrase_sets
        table, scores = curve_scores(detector, self.held_out_clips, self.whole_bank, phrase_sets, drawn)
        plain = dataclasses.replace(self.data.detection, kinds=kinds, false_alarms_per_hour=None)
        curve = false_alarm_curve(detector.operating_point(table.prompts, plain), table, scores)
        detection = dataclasses.replace(self.data.detection, kinds=kinds, false_alarm_curve=curve)
        self._save(load_checkpoint(self.model_folder).model, to_mapping(detection))
        export_onnx(self.model_folder)

    def _save(self, model: TwoTowers, detection: dict[str, Any] | None = None) -> None:
        detection = to_mapping(self.data.detection) if detection is None else detection
        save_checkpoint(model, self.model_folder, self.data.card, detection, dtype=torch.float16)


def averaged_weights(
    first: dict[str, torch.Tensor], second: dict[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """Give the mean of two models' weights, of which the first counts ``share``; whole numbers are the second's.

    Examples
    --------
    >>> averaged_weights({"w": torch.tensor(1.0)}, {"w": torch.tensor(3.0)}, 0.25)
    {'w': tensor(2.5000)}
    """
    return {
        name: share * first[name].float() + (1 - share) * value if value.dtype.is_floating_point else value
        for name, value in second.items()
    }


def _progress(what: str, every: int = 500) -> Progress:
    def report(done: int, total: int) -> None:
        if done % every == 0 or done == total:
            console.print(f"{what}: {done} of {total}")

    return report


def _announce(pool: str) -> Callable[[int], None]:
    return lambda shard: console.print(f"{pool} pool: shard {shard} is finished")


def _shards(text: str) -> tuple[int, int, int]:
    first, last, *stride = (int(part) for part in text.split(":"))
    return first, last, stride[0] if stride else 1


def main() -> int:
    """Parse the command line and run the steps."""
    parser = argparse.ArgumentParser(prog="python -m recipes.flam_mini", description=__doc__.splitlines()[0])
    parser.add_argument("steps", nargs="+", choices=STEPS)
    parser.add_argument("--data", type=Path, default=HERE / "data.yaml", help="how data is made")
    parser.add_argument("--recipe", type=Path, default=HERE / "frames.yaml", help="training recipe: library and split")
    parser.add_argument("--head", type=Path, default=HERE / "head.yaml", help="training recipe of the teacher's head")
    parser.add_argument("--set", action="append", default=[], help="key=value over both training recipes")
    parser.add_argument("--teacher", type=Path, help="tagger in .tflite form (steps windows and pool)")
    parser.add_argument("--pairs", type=Path, nargs="+", default=[], help="pairs of texts, tab separated (step words)")
    parser.add_argument("--ontology", type=Path, help="ontology like AudioSet's, JSON (step words)")
    parser.add_argument("--start", default="flam-mini", help="model that the training began from (step package)")
    parser.add_argument("--run", type=Path, help="model of a training run (step package); left out, frames/final")
    parser.add_argument("--benchmark", type=Path, default=BENCHMARK, help="scenes to count false alarms in (operate)")
    parser.add_argument("--shards", type=_shards, help="FIRST:LAST:STRIDE of the shards to render (step pool)")
    arguments = parser.parse_args()
    try:
        run = Run(arguments)
        for step in arguments.steps:
            getattr(run, step)()
    except FlamError as error:
        console.print(f"error: {error}", style="red")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
