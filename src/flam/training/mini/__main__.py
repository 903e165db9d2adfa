"""From a library of clips to a trained flam-mini, in steps that can be interrupted and repeated.

    python -m flam.training.mini configs/flam_mini.yaml --library LIBRARY/manifest.csv --teacher TAGGER.tflite \
        --teacher-classes CLASSES.txt --pairs PAIRS.tsv.gz --work runs/flam-mini

Steps, each resumable: ``made`` writes sounds of our own, ``bank`` decodes the clips, ``bandwidths`` writes them again
with bandwidths that say nothing of their labels, ``text`` pretrains the text tower, ``windows`` runs the teacher over
every clip, ``pool`` renders scenes with the teacher's targets, ``leaks`` looks whether the recorder gives labels away,
``head`` bridges teacher and text, ``fit`` trains, ``package`` writes the checkpoint, ``operate`` adds the curve of
false alarms and the kinds of sound, ``judge`` measures the model on held-out recordings.
Without ``--steps`` all run in this order. ``pool`` may run beside ``fit``, and in several processes: ``--shards
0:200:2`` and ``--shards 1:200:2`` share the work.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, get_args
from zlib import crc32

import numpy as np
import torch
from numpy.lib.recfunctions import repack_fields
from rich.console import Console
from tokenizers import Tokenizer

from flam.core import ConfigError, FlamError, ScoreMethod, load_yaml, read_text, save_yaml, to_mapping
from flam.data.phrases import load_phrases
from flam.detection.load import load
from flam.hub.hub import resolve
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip, held_out, read_manifest
from flam.model.checkpoint import load_checkpoint, save_checkpoint
from flam.model.export import export_onnx
from flam.model.flam import FLAM, TextFeatures
from flam.model.towers import TwoTowers
from flam.training.mini.bandwidths import build_variant
from flam.training.mini.clip_windows import ClipWindows, embed_clips
from flam.training.mini.config import MiniConfig
from flam.training.mini.degradation import degraded
from flam.training.mini.fit import fit
from flam.training.mini.judgement import judge, judge_words
from flam.training.mini.leaks import label_leaks
from flam.training.mini.made_sounds import is_made, make_sounds
from flam.training.mini.operating import curve_recordings, false_alarm_curve, kinds_of_sound
from flam.training.mini.pool import Pool, build_pool
from flam.training.mini.rewording import FILLERS
from flam.training.mini.teacher import Teacher
from flam.training.mini.teacher_head import TeacherHead, train_teacher_head
from flam.training.mini.text_pretraining import ontology_pairs, pretrain_text, read_pairs
from flam.training.mini.texts import LabelTexts, related_labels
from flam.training.mini.validation import clip_accuracy, pool_auroc
from flam.training.mini.word_pieces import train_tokenizer

STEPS = (
    "made",
    "bank",
    "bandwidths",
    "text",
    "windows",
    "pool",
    "head",
    "fit",
    "package",
    "calibrate",
    "operate",
    "judge",
)
ONTOLOGY_WEIGHT = 10  # it is small beside a dictionary, and about sounds
NEW_WORD_SCENES = 2000
JUDGED = 200  # scenes; with 60, the interval of the recall was .16 wide
PARAPHRASES = [
    Path("configs/judgement") / name for name in ("paraphrases.yaml", "more_paraphrases.yaml", "unseen_writer.yaml")
]
TEXT_PARTS = ("text_encoder", "text_projection", "logit_scale_head", "logit_bias_head")
console = Console(stderr=True)


class Run:
    """One run: its configuration, its library split in two, and its working folder."""

    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        self.config = load_yaml(MiniConfig, arguments.config)
        self.work: Path = arguments.work
        self.work.mkdir(parents=True, exist_ok=True)
        save_yaml(self.config, self.work / "config.yaml")
        self.phrase_sets = load_phrases(arguments.phrases)

    @cached_property
    def clips(self) -> list[SourceClip]:
        """The library, with the sounds that step ``made`` has made."""
        made = self.work / "made" / "manifest.csv"
        paths = [*self.arguments.manifests, *([made] if made.exists() else [])]
        return [clip for path in paths for clip in read_manifest(path)]

    @cached_property
    def labels(self) -> list[str]:
        """Every label of the library, the rows of the label list."""
        return sorted({clip.label for clip in self.clips if clip.label})

    @cached_property
    def withheld(self) -> frozenset[str]:
        """The labels that this run never trains; the same ones for the same share."""
        mixed = sorted(self.labels, key=lambda label: crc32(label.encode()))
        return frozenset(mixed[: round(self.config.withheld_share * len(mixed))])

    def is_held_out(self, clip: SourceClip) -> bool:
        """Whether training must not hear a clip."""
        config = self.config
        share = config.held_out_shares.get(clip.source, config.held_out_share)
        return not is_made(clip) and held_out(clip, share, config.held_out_folds, config.merged_sources)

    @cached_property
    def training_clips(self) -> list[SourceClip]:
        """What training may hear."""
        return [clip for clip in self.clips if not self.is_held_out(clip)]

    @cached_property
    def held_out_clips(self) -> list[SourceClip]:
        """What only validation and judgement hear."""
        return [clip for clip in self.clips if self.is_held_out(clip)]

    def made(self) -> None:
        """Make sounds of our own."""
        if not (self.work / "made" / "manifest.csv").exists():
            make_sounds(self.work / "made", self.config.made_takes, self.config.made_sentences, self.config.seed)

    def bank(self) -> None:
        """Decode every clip once."""
        if (self.work / "bank" / "index.json").exists():
            return
        left_out = WaveformBank.build(self.clips, self.work / "bank", progress=_progress("clips decoded"))
        console.print(f"{len(left_out)} silent or broken clips left out: {', '.join(left_out[:10])}")

    def bandwidths(self) -> None:
        """Write the clips again with bandwidths that say nothing of their labels."""
        bank = WaveformBank(self.work / "bank")
        for number in range(self.config.n_bandwidths):
            build_variant(bank, self.work / f"bandwidths-{number}", number, _progress("bandwidths drawn"))

    def text(self) -> None:
        """Learn word pieces and pretrain the text tower."""
        path = self.work / "text.pt"
        if path.exists():
            return
        pairs = [pair for path_of_pairs in self.arguments.pairs for pair in read_pairs(path_of_pairs)]
        if self.arguments.ontology is not None:
            pairs += ONTOLOGY_WEIGHT * ontology_pairs(self.arguments.ontology)
        groups = [(phrases.label, *phrases.phrases) for phrases in self.phrase_sets.values()]
        # phrases weigh more than glosses, so that words for sounds become pieces of their own
        keep = self.config.text.keep_tower and self.arguments.init_from is not None
        corpus = [text for pair in pairs for text in pair] + 20 * [text for group in groups for text in group]
        if keep:
            kept = load_checkpoint(resolve(self.arguments.init_from)).model
            tokenizer = kept.tokenizer
        else:
            tokenizer = train_tokenizer([*corpus, *FILLERS], self.config.model.text.vocab_size)
        tokenizer.save(str(self.work / "tokenizer.json"))
        model = self.new_model()
        if keep:
            model.load_state_dict({**model.state_dict(), **_text_parts(kept.state_dict())})
        reference = earlier = related = None
        if self.arguments.reference_texts is not None:
            with np.load(self.arguments.reference_texts) as arrays:
                reference = ([str(t) for t in arrays["labels"]], torch.from_numpy(arrays["emb"].astype(np.float32)))
        if self.arguments.init_from is not None:
            detector = load(self.arguments.init_from, device="cpu")
            earlier = TextFeatures(*map(torch.from_numpy, detector.embed_text(list(self.phrase_sets))))
            related = torch.from_numpy(related_labels(list(self.phrase_sets), self.phrase_sets))
        pretrain_text(model, tokenizer, pairs, groups, reference, self.config.text, console.print, earlier, related)
        torch.save(_text_parts(model.state_dict()), path)

    def windows(self) -> None:
        """Run the teacher over every clip."""
        path = self.work / "windows.npz"
        if not path.exists():
            bank, teacher = WaveformBank(self.work / "bank"), Teacher(self.arguments.teacher)
            embed_clips(self.clips, bank, teacher, _progress("clips heard by the teacher")).save(path)

    def pool(self) -> None:
        """Render scenes: first those for validation, from held-out clips alone, then those for training."""
        bank, teacher = WaveformBank(self.work / "bank"), Teacher(self.arguments.teacher)
        first, last, stride = self.arguments.shards or (0, self.config.n_shards, 1)
        variants = [WaveformBank(self.work / f"bandwidths-{number}") for number in range(self.config.n_bandwidths)]
        for name, clips, shards, heard in (
            ("validation", self.held_out_clips, range(first, self.config.n_validation_shards, stride), []),
            ("training", self.training_clips, range(first, last, stride), variants),
        ):
            folder = self.work / name
            build_pool(clips, self.labels, bank, teacher, folder, shards, self.config.pool, _announce(name), heard)

    def leaks(self) -> None:
        """Say how far a probe of the recorder alone tells labels of single sounds, as training hears them."""
        shards = [np.load(path, mmap_mode="r") for path in sorted((self.work / "training").glob("*.npy"))]
        rows = np.concatenate(
            [repack_fields(shard[["logmel", "label", "single"]])[shard["single"]] for shard in shards]
        )
        rng = np.random.default_rng(self.config.seed)
        heard = degraded(torch.from_numpy(rows["logmel"].astype(np.float32)), rng).numpy()
        found = label_leaks(heard, [self.labels[row] for row in rows["label"][:, 0]], self.clips)
        (self.work / "leaks.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        console.print(found)

    def head(self) -> None:
        """Carry the teacher's embedding into the joint space, and the text tower a little towards it."""
        path = self.work / "head.pt"
        if path.exists():
            return
        model, texts = self.new_model(), self._label_texts()
        model.load_state_dict({**model.state_dict(), **torch.load(path.with_name("text.pt"), weights_only=True)})
        row_of = {label: row for row, label in enumerate(self.labels)}
        head = train_teacher_head(
            ClipWindows.load(self.work / "windows.npz"),
            {
                clip.clip_id: row_of[clip.label]
                for clip in self.training_clips
                if clip.label and clip.label not in self.withheld
            },
            self._trained_pool(),
            texts,
            model,
            self.config.pool.teacher_hop_frames,
            self.config.head,
            console.print,
        )
        torch.save({"head": head.state_dict(), "text": _text_parts(model.state_dict())}, path)

    def fit(self) -> None:
        """Train on the finished part of the pool."""
        model, texts = self.new_model(), self._label_texts()
        if self.arguments.init_from is not None:
            earlier = load_checkpoint(resolve(self.arguments.init_from)).model.state_dict()
            model.load_state_dict({**model.state_dict(), **_without_text(earlier)})
        states = torch.load(self.work / "head.pt", weights_only=True)
        model.load_state_dict({**model.state_dict(), **states["text"]})
        state = states["head"]
        head = TeacherHead(len(state["mean"]), self.config.model.joint_dim, self.config.head)
        head.load_state_dict(state)
        head.eval().requires_grad_(False)
        validation_pool = Pool(self.work / "validation")
        rows = validation_pool.take(np.arange(len(validation_pool)))
        bank = WaveformBank(self.work / "bank")
        fold_clips = [clip for clip in self.held_out_clips if clip.fold]
        logmels = [self._logmel(model, bank, clip) for clip in fold_clips]

        with_new_words = Pool(self.work / "training", self._holds_new_words) if self.withheld else None

        def validation(averaged: FLAM) -> dict[str, float]:
            figures = {
                "validation_frame_auroc": round(pool_auroc(averaged, rows, texts), 4),
                "validation_top1": round(clip_accuracy(averaged, logmels, [clip.label for clip in fold_clips]), 4),
            }
            if with_new_words is not None:
                scenes = with_new_words.take(np.arange(min(NEW_WORD_SCENES, len(with_new_words))))
                figures["new_words_frame_auroc"] = round(pool_auroc(averaged, scenes, texts, among=self.withheld), 4)
            return figures

        averaged = fit(self.config, model, texts, head, self._trained_pool(), validation, self.work)
        torch.save(averaged.state_dict(), self.work / "model.pt")

    def package(self) -> None:
        """Write the trained model in the project's checkpoint format, half precision."""
        model = self.new_model()
        trained = torch.load(self.work / "model.pt", weights_only=True)
        if self.arguments.init_from is not None and self.config.start_share:
            start = load_checkpoint(resolve(self.arguments.init_from)).model.state_dict()
            trained = averaged_weights(start, trained, self.config.start_share)
        model.load_state_dict(trained)
        self._save(model, to_mapping(self.config.detection))
        console.print(f"checkpoint in {self.work / 'flam-mini'}")

    def operate(self) -> None:
        """Measure the curve of false alarms on held-out recordings, and package the model with it and its graphs."""
        bank = WaveformBank(self.work / "bank")
        held_out = [clip for clip in self.held_out_clips if clip.clip_id in bank]
        kinds = kinds_of_sound(self.training_clips, bank, self.config.kinds)
        detector = load(self.work / "flam-mini", device="cpu", backend="torch")
        recordings = curve_recordings(detector, held_out, bank, self.phrase_sets, JUDGED)
        plain = dataclasses.replace(self.config.detection, kinds=kinds, false_alarms_per_hour=None)
        settled = detector.operating_point(recordings[0].scores.prompts, plain)
        curve = false_alarm_curve(settled, recordings)
        detection = dataclasses.replace(self.config.detection, kinds=kinds, false_alarm_curve=curve)
        self._save(load_checkpoint(self.work / "flam-mini").model, to_mapping(detection))
        export_onnx(self.work / "flam-mini")

    def _save(self, model: TwoTowers, detection: dict[str, Any]) -> None:
        save_checkpoint(model, self.work / "flam-mini", self.config.card, detection, dtype=torch.float16)

    def judge(self) -> None:
        """Measure the packaged model on held-out recordings: the figures of its card."""
        bank = WaveformBank(self.work / "bank")
        clips = [clip for clip in self.held_out_clips if clip.clip_id in bank]
        figures: dict[str, object] = {}
        for method in get_args(ScoreMethod):
            detector = load(self.work / "flam-mini", device="cpu", score=method)
            figures[method] = judge(detector, clips, bank, self.phrase_sets, JUDGED, n_prompts=50, seed=1)
        n_trained = Counter(clip.label for clip in self.training_clips)
        words = self.arguments.paraphrases
        figures["words"] = judge_words(detector, clips, bank, self.phrase_sets, words, n_trained, JUDGED, seed=1)
        path = self.work / "judgement.json"
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        console.print(f"figures in {path}")

    def new_model(self) -> FLAM:
        """A model with fresh weights and this run's tokenizer."""
        torch.manual_seed(self.config.seed)
        return FLAM(self.config.model, self.tokenizer())

    def tokenizer(self) -> Tokenizer:
        """The word pieces that step ``text`` learnt."""
        return Tokenizer.from_file(str(self.work / "tokenizer.json"))

    def _label_texts(self) -> LabelTexts:
        path = self.arguments.teacher_classes
        classes = None if path is None else read_text(path, ConfigError).strip().splitlines()
        return LabelTexts(self.labels, self.training_clips, self.phrase_sets, self.tokenizer(), self.withheld, classes)

    def _trained_pool(self) -> Pool:
        return Pool(self.work / "training", (lambda labels: ~self._holds_new_words(labels)) if self.withheld else None)

    def _holds_new_words(self, labels: np.ndarray) -> np.ndarray:
        withheld = [row for row, label in enumerate(self.labels) if label in self.withheld]
        return np.asarray(np.isin(labels, withheld).any(axis=1))

    def _logmel(self, model: FLAM, bank: WaveformBank, clip: SourceClip) -> torch.Tensor:
        waveform = torch.from_numpy(bank.waveform(clip.clip_id))[None]
        n_frames = waveform.shape[1] // model.audio_encoder.frame_hop_samples
        return model.audio_encoder.logmel(waveform)[0, : 8 * n_frames]


def averaged_weights(
    first: dict[str, torch.Tensor], second: dict[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """The mean of two models' weights, of which the first counts ``share``; what is not floating point is the second's.

    >>> averaged_weights({"w": torch.tensor(1.0)}, {"w": torch.tensor(3.0)}, 0.25)
    {'w': tensor(2.5000)}
    """
    return {
        name: share * first[name].float() + (1 - share) * value if value.dtype.is_floating_point else value
        for name, value in second.items()
    }


def _text_parts(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value for name, value in state.items() if name.startswith(TEXT_PARTS)}


def _without_text(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value for name, value in state.items() if not name.startswith(TEXT_PARTS)}


def _progress(what: str, every: int = 500) -> Callable[[int, int], None]:
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
    parser = argparse.ArgumentParser(prog="python -m flam.training.mini", description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path, help="recipe, for example configs/flam_mini.yaml")
    parser.add_argument(
        "--library", dest="manifests", type=Path, nargs="+", required=True, help="manifest.csv of clips"
    )
    parser.add_argument("--teacher", type=Path, help="tagger in .tflite form (step pool)")
    parser.add_argument("--teacher-classes", type=Path, help="names of its classes, a line each (steps head and fit)")
    parser.add_argument("--pairs", type=Path, nargs="+", default=[], help="pairs of texts, tab separated (step text)")
    parser.add_argument("--ontology", type=Path, help="ontology like AudioSet's, JSON (step text)")
    parser.add_argument("--reference-texts", type=Path, help="npz of labels and emb by a larger text model (step text)")
    parser.add_argument("--phrases", type=Path, default=Path("configs/phrases"), help="folder of phrase sets")
    parser.add_argument("--init-from", help="earlier model to train further (steps text and fit)")
    parser.add_argument(
        "--paraphrases", type=Path, nargs="+", default=PARAPHRASES, help="files of texts never trained on (step judge)"
    )
    parser.add_argument("--work", type=Path, required=True, help="working folder of this run")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--shards", type=_shards, help="FIRST:LAST:STRIDE of the shards to render (step pool)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
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
