"""A fine-tuning from folder to model, resumable at every point."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flam.core import ConfigError, ModelError, OutputError, atomic_text, from_mapping, to_mapping
from flam.detection.backends.torch import move_to
from flam.detection.config import DetectionConfig
from flam.hub.card import ModelCard
from flam.hub.hub import resolve
from flam.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from flam.model.export import add_graphs
from flam.model.flam import FLAM
from flam.training.distribution import World
from flam.training.finetune.comparison import Comparison, compare, frame_aurocs, with_thresholds
from flam.training.finetune.examples import ExampleCache, Job, scene_jobs, text_embeddings, window_jobs
from flam.training.finetune.folder import LabelledRecording, read_folder, split
from flam.training.finetune.sounds import other_sounds, scene_source
from flam.training.optimization import OptimConfig
from flam.training.recipe import Recipe, RecordConfig
from flam.training.tasks.finetune import LEARNING_PARTS, Examples, FinetuneSettings, FinetuneTask, TextEmbeddings
from flam.training.trainer import fit, prepare

LEAST_LR_SHARE = 0.02
# what is being done, how much of it is done, how much there is, figures to show
FinetuneProgress = Callable[[str, int, int, dict[str, float]], None]


@dataclass(frozen=True)
class FinetuneConfig:
    """How a model learns the classes of a folder.

    Parameters
    ----------
    held_out_share : float, default 0.2
        part of the recordings that nothing is learnt from, on which before and after are compared
    n_scenes : int, default 320
        mixtures of the folder's sounds with each other and with procedural sounds, for learning and for the comparison
    n_held_out_scenes : int, default 80
        mixtures of the folder's sounds with each other and with procedural sounds, for learning and for the comparison
    most_windows : int, default 400
        at most so many windows of recordings with times of events are used as they are
    most_audio_s : float, default 3600.0
        at most so many seconds of sounds are mixed from, all classes together
    n_takes : int, default 2
        takes of each procedural sound that are learnt from; compared on is one other
    n_anchors : int, default 8000
        texts whose features stay where they are
    epochs : int, default 20
        passes over scenes and windows
    batch_size : int, default 16
        scenes and windows in a step, and peak learning rate
    lr : float, default 0.001
        scenes and windows in a step, and peak learning rate
    losses : Mapping[str, float], optional
        weight of each loss of ``flam.training.objectives.finetune``
    seed : int, default 0
        of everything that is drawn
    annotations_format, label_column : str | None, optional
        of the event lists, see ``flam.training.finetune.folder.read_folder``
    """

    held_out_share: float = 0.2
    n_scenes: int = 320
    n_held_out_scenes: int = 80
    most_windows: int = 400
    most_audio_s: float = 3600.0
    n_takes: int = 2
    n_anchors: int = 8000
    epochs: int = 20
    batch_size: int = 16
    lr: float = 1e-3
    losses: Mapping[str, float] = field(
        default_factory=lambda: {
            "frame": 20.0,
            "scale": 1.0,
            "prior": 1.0,
            "likeness": 2.0,
            "anchor": 50.0,
        }
    )
    seed: int = 0
    annotations_format: str | None = None
    label_column: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.held_out_share <= 0.5:
            raise ValueError(f"held_out_share {self.held_out_share} must be within [0, 0.5]; 0.2 is a good value")
        if min(self.n_scenes, self.n_takes, self.n_anchors, self.epochs, self.batch_size) < 1:
            raise ValueError("n_scenes, n_takes, n_anchors, epochs and batch_size must be at least 1")
        if min(self.n_held_out_scenes, self.most_windows, self.seed) < 0 or min(self.lr, self.most_audio_s) <= 0:
            raise ValueError("lr and most_audio_s must be positive; n_held_out_scenes, most_windows and seed 0 or more")


@dataclass(frozen=True)
class FinetuneOutcome:
    """What a fine-tuning came to.

    Parameters
    ----------
    folder : Path
        of the new model
    labels : tuple[str, ...]
        what it was taught
    comparison : Comparison | None
        on what was held out; None where nothing was
    epochs : int
        that were done; fewer than asked for where it was stopped
    n_learnt_from, n_held_out : int
        recordings
    problems : tuple[str, ...]
        one line for each that is left out, or read in part
    n_told : int, default 0
        how many of the problems ``notify`` was told before the work
    """

    folder: Path
    labels: tuple[str, ...]
    comparison: Comparison | None
    epochs: int
    n_learnt_from: int
    n_held_out: int
    problems: tuple[str, ...]
    n_told: int = 0


def finetune(
    recordings_folder: str | Path,
    parent: str | Path,
    output: str | Path,
    config: FinetuneConfig = FinetuneConfig(),
    device: str = "auto",
    should_stop: Callable[[], bool] = lambda: False,
    progress: FinetuneProgress = lambda what, done, total, figures: None,
    notify: Callable[[str], None] = lambda line: None,
) -> FinetuneOutcome:
    """Teach a model the labels of a folder, and write it as a new model.

    What is done is kept beside the output in a hidden folder until the model is written: the same call goes on there.

    Parameters
    ----------
    recordings_folder : str | Path
        see ``read_folder``
    parent : str | Path
        name or folder of the model to start from
    output : str | Path
        folder of the new model; a model that is there is replaced
    device : str, default "auto"
        as torch names it; "auto" takes a GPU where there is one
    should_stop : Callable[[], bool], optional
        asked after each epoch; True ends the learning and writes what is learnt so far
    progress : FinetuneProgress, optional
        told how far it is
    notify : Callable[[str], None], optional
        told in one line before a model is fetched

    Raises
    ------
    ConfigError
        the folder holds no labelled recording that can be used
    ModelError
        no such parent, or one without a tokenizer
    OutputError
        the output can't be written
    """
    output = Path(output)
    if output.exists() and not (output / "config.json").exists() and any(output.iterdir()):
        raise OutputError(f"{output}: exists and is no model; choose a new or an empty folder")
    problems: list[str] = []
    parent_folder = resolve(parent, notify=notify)  # first, as reading a large folder takes a while
    checkpoint = load_checkpoint(parent_folder)
    if not isinstance(checkpoint.model, FLAM):
        raise ModelError(f"{parent}: has no scale and bias of each text; give the name or folder of a FLAM")
    model = checkpoint.model.eval()
    move_to(model, device)
    format, label_column = config.annotations_format, config.label_column
    # assumptions are reported before the work, not after it
    recordings = read_folder(
        recordings_folder, problems.append, lambda note: notify(f"note: {note}"), format, label_column
    )
    progress("reading recordings", 0, len(recordings), {})
    problems = list(dict.fromkeys(problems))
    n_told = len(problems)
    for problem in problems:
        notify(f"warning: {problem}")
    learnt = tuple(sorted({label for recording in recordings for label in recording.labels}))
    others = other_sounds(learnt)
    to_learn_from, held_out = split(recordings, config.held_out_share, config.seed)
    work = _work_folder(output, recordings, parent_folder, config)
    cache = ExampleCache(model, (*learnt, *others), work)

    def examples(name: str, part: Sequence[LabelledRecording], n_scenes: int, n_takes: int, seed: int) -> Examples:
        def told(done: int) -> None:
            progress("reading recordings", done, len(part), {})

        jobs = _jobs(model, part, others, n_scenes, n_takes, seed, config, problems.append, told)
        return cache.embed(name, jobs, lambda done, _: progress(name, done, len(jobs), {}))

    compared = examples("hearing held-out clips", held_out, config.n_held_out_scenes, 1, config.seed + 1)
    heard = examples("hearing clips", to_learn_from, config.n_scenes, config.n_takes, config.seed)
    counts = (heard.labels & heard.valid[..., None]).sum(dim=(0, 1))[: len(learnt)].tolist()
    silent = [label for label, count in zip(learnt, counts, strict=True) if count == 0]
    if len(silent) == len(learnt):
        reason = f" ({problems[0]})" if problems else ""
        raise ConfigError(f"{recordings_folder}: none of its labels can be heard in any recording{reason}")
    problems += [f"{label!r} can't be heard in any recording that is learnt from" for label in silent]
    before = frame_aurocs(model, compared, cache.texts)
    progress("learning", 0, config.epochs, {})
    own = heard._replace(labels=heard.labels[..., : len(learnt)])
    texts = text_embeddings(model, learnt, others, config.n_anchors, config.seed)
    epochs = learn(model, own, texts, config, work, should_stop, lambda *told: progress("learning", *told))
    after = frame_aurocs(model, compared, cache.texts)
    comparison = compare(before, after, compared, cache.texts, len(learnt)) if len(compared.valid) else None
    parent_config = from_mapping(DetectionConfig, checkpoint.detection, f"{parent_folder}/config.json: detection")
    detection = with_thresholds(model, parent_config, heard, cache.texts, len(learnt))
    _write(checkpoint, output, learnt, len(to_learn_from), epochs, comparison, detection)
    shutil.rmtree(work, ignore_errors=True)
    return FinetuneOutcome(
        output, learnt, comparison, epochs, len(to_learn_from), len(held_out), tuple(dict.fromkeys(problems)), n_told
    )


def learn(
    model: FLAM,
    examples: Examples,
    texts: TextEmbeddings,
    config: FinetuneConfig,
    folder: Path,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int, dict[str, float]], None] = lambda done, total, losses: None,
) -> int:
    """Teach a model texts, or go on where an earlier run stopped; the model is changed in place.

    Parameters
    ----------
    model : FLAM
        In evaluation mode.
    examples : Examples
        Labels have K columns, those of ``texts.learnt``.
    texts : TextEmbeddings
        What the text tower gives.
    config : FinetuneConfig
        Epochs, learning rate, weights of the losses.
    folder : Path
        Holds the state after each epoch.
    should_stop : callable
        Asked after each epoch.
    progress : callable
        Told of epochs done, epochs in all, and the mean losses of the last.

    Returns
    -------
    int
        Epochs that are done.
    """
    n_batches = math.ceil(len(examples.frame_features) / config.batch_size)
    parts = {name.split(".")[0] for name, _ in model.named_parameters()} - {part[:-1] for part in LEARNING_PARTS}
    recipe = Recipe(
        task=FinetuneSettings(batch_size=config.batch_size),
        model=model.config,
        freeze=tuple(sorted(parts)),
        losses=dict(config.losses),
        optim=OptimConfig(
            lr=config.lr,
            steps=config.epochs * n_batches,
            schedule="floored_cosine",
            warmup_steps=0,
            final_lr_share=LEAST_LR_SHARE,
            clip_norm=None,
        ),
        record=RecordConfig(log_every=n_batches, save_every=n_batches, keep=1),
        ema_decay=0.0,
        seed=config.seed,
    )
    device = model.log_temperature_inverse.device
    run = prepare(recipe, FinetuneTask(model, examples, texts, recipe), folder, World(0, 1, device))

    def told(done: int, total: int, figures: dict[str, float]) -> None:
        if done % n_batches == 0:
            losses = {name: value for name, value in figures.items() if name.endswith("_loss")}
            progress(done // n_batches, config.epochs, losses)

    fit(run, told, should_stop)
    model.eval()
    return run.step // n_batches


def _jobs(
    model: FLAM,
    recordings: Sequence[LabelledRecording],
    others: Sequence[str],
    n_scenes: int,
    n_takes: int,
    seed: int,
    config: FinetuneConfig,
    on_problem: Callable[[str], None],
    on_recording: Callable[[int], None],
) -> list[Job]:
    """Windows of recordings with times, and scenes of everything that can be cut out."""
    if not any(recording.labels for recording in recordings):
        return []
    encoder = model.audio_encoder
    n_samples, sample_rate = encoder.window_samples, encoder.sample_rate
    n_labels = len({label for recording in recordings for label in recording.labels})
    jobs = window_jobs(recordings, sample_rate, n_samples, config.most_windows, seed)
    most_s = config.most_audio_s / n_labels
    source = scene_source(recordings, others, n_takes, most_s, n_samples, sample_rate, seed, on_problem, on_recording)
    return jobs if source is None else jobs + scene_jobs(source, n_scenes)


def _work_folder(output: Path, recordings: Sequence[LabelledRecording], parent: Path, config: FinetuneConfig) -> Path:
    """Where a run keeps what it has done; emptied where that was another run's."""
    files = [*(recording.path for recording in recordings), parent / "model.safetensors"]
    facts = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    said = [[recording.label, sorted(recording.events.items())] for recording in recordings]
    settings = json.dumps([facts, said, to_mapping(config)])
    key = hashlib.sha256(settings.encode()).hexdigest()
    folder = output.absolute().with_name(f".{output.name}.finetune")
    try:
        if folder.exists() and (not (folder / "key").exists() or (folder / "key").read_text() != key):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: can't be written ({error.strerror}); choose another output") from error
    with atomic_text(folder / "key") as file:
        file.write(key)
    return folder


def _write(
    checkpoint: Checkpoint,
    output: Path,
    learnt: Sequence[str],
    n_recordings: int,
    epochs: int,
    comparison: Comparison | None,
    detection: DetectionConfig,
) -> None:
    """The model with a card that says what it comes from."""
    parent = checkpoint.card
    facts = parent.facts | {
        "parent": parent.name,
        "taught": ", ".join(learnt),
        "learnt from": f"{n_recordings} recordings of its user, {epochs} epochs",
    }
    if comparison is not None:
        for of_known in (False, True):
            row = comparison.mean(of_known)
            facts[f"held-out frame AUROC, {row.text}"] = f"{row.before:.3f} before, {row.after:.3f} after"
    few = ", ".join(learnt[:5]) + (f" and {len(learnt) - 5} more" if len(learnt) > 5 else "")
    card = ModelCard(
        output.name,
        f"{parent.name} taught {few}",
        parent.licence,
        f"fine-tuned from {parent.name} ({parent.source}) on recordings of its user, whose licence may add to this one",
        facts,
    )
    save_checkpoint(checkpoint.model, output, card, to_mapping(detection))
    add_graphs(output)
