"""The trainer, in reading order: set up, prepare, fit, validate."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from flam.core import ConfigError, save_yaml, to_mapping
from flam.data.training_data import TrainingData
from flam.model.towers import TwoTowers
from flam.training.accumulation import accumulate_gradients, cut
from flam.training.average import WeightAverage
from flam.training.checkpointing import Checkpoints
from flam.training.config import TrainConfig, first_difference, load_recipe, needed_data
from flam.training.curves import draw_curves
from flam.training.distribution import World, agree, clip_gradients, joined_world, spread, without_sync
from flam.training.log import TrainingLog
from flam.training.methods import METHODS, weighted_sum
from flam.training.optimiser import freeze, make_optimiser, set_learning_rate
from flam.training.packaging import package
from flam.training.specaugment import augment_in_training
from flam.training.start import starting_model
from flam.training.step import Batch
from flam.training.validation import held_out_figures

FIRST_VALIDATION_BATCHES = 2
QUALITY = "validation_frame_auroc"
# told of steps done, steps in all, and the newest figures
Progress = Callable[[int, int, dict[str, Any]], None]


@dataclass
class Run:
    """What a run holds while it lasts.

    Parameters
    ----------
    model : what is trained
    module : the embedder around it, spread over the processes
    average : of the weights; None without
    log : of the first process; None elsewhere
    held_out : what it is validated on
    step : steps that are done
    best : quality of the best model so far
    sums, n_summed : losses since the last line of the log, and how many steps they are of
    """

    config: TrainConfig
    folder: Path
    world: World
    model: TwoTowers
    module: nn.Module
    optimiser: torch.optim.Optimizer
    average: WeightAverage | None
    checkpoints: Checkpoints
    log: TrainingLog | None
    held_out: TrainingData
    step: int = 0
    best: float = -math.inf
    sums: dict[str, Tensor] = field(default_factory=dict)
    n_summed: int = 0


def setup(
    recipe: str | Path,
    folder: str | Path,
    changes: tuple[str, ...] = (),
    progress: Progress = lambda done, total, figures: None,
    notify: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Train as a recipe says, or go on where an earlier run of the same recipe in the same folder stopped.

    Parameters
    ----------
    recipe : YAML file
    folder : of the run; takes the resolved recipe, the log, its picture, checkpoints, and the models ``best`` and
        ``final``, which ``flam detect --model`` takes
    changes : "key=value" over the recipe
    progress : told after each step, on the first process alone
    notify : told one line before a model is fetched

    Returns
    -------
    the last held-out figures

    Raises
    ------
    ConfigError : a recipe that can't be used, or another one than the folder was begun with
    """
    config, folder = load_recipe(recipe, changes), Path(folder)
    with joined_world(config.compute.device) as world:
        _require_own(folder, config)
        return main(config, folder, world, progress if world.is_first else lambda *_: None, notify)


def main(
    config: TrainConfig, folder: Path, world: World, progress: Progress, notify: Callable[[str], None]
) -> dict[str, Any]:
    """Build model, data and optimiser, load the newest checkpoint, look at two held-out batches, train, package."""
    compute, record, method = config.compute, config.record, METHODS[type(config.model)]
    model = starting_model(config, notify).to(world.device)
    data = TrainingData(needed_data(config), model.grid)
    held_out = TrainingData(replace(config.validation_data, captions=()), model.grid)
    freeze(model, config.freeze)
    augment_in_training(model.audio_encoder.logmel, config.augment)
    module = spread(method.embedder(model, compute.precision == "bf16", compute.frozen_norms), compute.strategy, world)
    optimiser = make_optimiser(model, config.optim)
    average = WeightAverage(module, config.ema_decay) if config.ema_decay > 0 else None
    checkpoints = Checkpoints(folder / "checkpoints", record.keep)
    run = Run(config, folder, world, model, module, optimiser, average, checkpoints, None, held_out)
    newest = checkpoints.newest()
    if newest is not None:
        run.step, kept = checkpoints.load(newest, module, optimiser, average)
        run.best, run.n_summed = kept["best"], kept["n_summed"]
        run.sums = {name: value.to(world.device) for name, value in kept["sums"].items()}
    # what is wrong with data or model shows now, not after hours
    figures = validate(run, FIRST_VALIDATION_BATCHES)
    if world.is_first:
        folder.mkdir(parents=True, exist_ok=True)
        save_yaml(config, folder / "config.yaml")
        run.log = TrainingLog(folder, run.step, record.tensorboard)
    if run.step < config.optim.steps:
        figures = fit(run, _batches(run, data), progress)
    with averaged(run):
        package(module, _tokenizer(model), config, folder / "final", {"steps": str(run.step)}, world)
    return figures


def fit(run: Run, batches: Iterator[Batch], progress: Progress) -> dict[str, Any]:
    """Train to the last step of the recipe; returns the figures after it."""
    config, record = run.config, run.config.record
    begun, waited_s, n_clips = time.monotonic(), 0.0, 0
    figures: dict[str, Any] = {}
    while run.step < config.optim.steps:
        asked = time.monotonic()
        batch = next(batches)
        waited_s += time.monotonic() - asked
        rate = set_learning_rate(run.optimiser, run.step, config.optim)
        gradient_norm = take_step(run, batch)
        n_clips += run.world.world_size * sum(len(part.waveform) for part in batch if part is not None)
        is_last = run.step == config.optim.steps
        figures = {}
        if run.step % record.log_every == 0 or is_last:
            seconds = time.monotonic() - begun
            figures = {name: round((value / run.n_summed).item(), 6) for name, value in run.sums.items()}
            figures |= {"lr": rate, "gradient_norm": round(gradient_norm, 4)}
            figures |= {"clips_per_s": round(n_clips / seconds, 2), "data_wait_share": round(waited_s / seconds, 3)}
            run.sums, run.n_summed = {}, 0
        if run.step % record.validate_every == 0 or is_last:
            figures |= validate(run, record.validation_batches)
            keep_if_best(run, figures)
        if figures and run.log is not None:
            run.log.write({"step": run.step, **figures})
            if QUALITY in figures:
                with contextlib.suppress(ConfigError):  # without matplotlib there is no picture
                    draw_curves(run.folder)
        if run.step % record.save_every == 0 or is_last:
            kept = {"best": run.best, "sums": run.sums, "n_summed": run.n_summed}
            run.checkpoints.save(run.step, run.module, run.optimiser, run.average, kept, run.world)
        if figures:
            begun, waited_s, n_clips = time.monotonic(), 0.0, 0
        progress(run.step, config.optim.steps, figures)
    return figures


def take_step(run: Run, batch: Batch) -> float:
    """Move the weights once; returns the length of the gradient.

    Raises
    ------
    ConfigError : a loss or the gradient is no number; the batch is saved beside the log
    """
    config, method = run.config, METHODS[type(run.config.model)]
    n_clips = sum(len(part.waveform) for part in batch if part is not None)
    n_pieces = 1 if config.compute.micro_batch_size is None else math.ceil(n_clips / config.compute.micro_batch_size)
    inputs = method.inputs(batch, n_pieces)
    run.module.train()
    run.optimiser.zero_grad()
    losses = accumulate_gradients(
        run.module,
        cut(inputs, n_pieces),
        lambda features: method.losses(features, batch, config.wanted, n_pieces),
        lambda parts: weighted_sum(parts, config.losses),
        seed=_seed(config.seed, run.step, run.world.rank),
        without_sync=lambda: without_sync(run.module),
    )
    agree(run.module, run.world)
    gradient_norm = clip_gradients(run.module, config.optim.clip_norm)
    if not all(math.isfinite(value) for value in (gradient_norm, *(loss.item() for loss in losses.values()))):
        raise ConfigError(_saved_bad_batch(run, inputs, losses, gradient_norm))
    run.optimiser.step()
    if run.average is not None:
        run.average.update(run.step)
    run.step += 1
    run.n_summed += 1
    for name, value in losses.items():
        run.sums[name] = run.sums[name] + value if name in run.sums else value
    return gradient_norm


def validate(run: Run, n_batches: int) -> dict[str, Any]:
    """Held-out figures of the averaged model."""
    run.module.eval()
    with averaged(run):
        return held_out_figures(run.module, map(run.held_out.frames, range(n_batches)))


def keep_if_best(run: Run, figures: dict[str, Any]) -> None:
    """Package the model as ``best`` if no earlier one was better on held-out clips."""
    if figures[QUALITY] is not None and figures[QUALITY] > run.best:
        run.best = figures[QUALITY]
        with averaged(run):
            facts = {"step": str(run.step), "held-out frame AUROC": str(run.best)}
            package(run.module, _tokenizer(run.model), run.config, run.folder / "best", facts, run.world)


@contextlib.contextmanager
def averaged(run: Run) -> Iterator[None]:
    """The model with its averaged weights, where there are some."""
    with contextlib.nullcontext() if run.average is None else run.average.applied():
        yield


def _batches(run: Run, data: TrainingData) -> Iterator[Batch]:
    """The batches from the next step on."""
    workers = run.config.compute.workers
    return (Batch(*batches) for batches in data.loader(run.step, run.world.rank, run.world.world_size, workers))


def _require_own(folder: Path, config: TrainConfig) -> None:
    """Refuse a folder that holds something else than a run of this recipe, which may change until a checkpoint."""
    path = folder / "config.yaml"
    if path.exists():
        found = first_difference(to_mapping(load_recipe(path)), to_mapping(config))
        if found is not None and (folder / "checkpoints").exists():
            raise ConfigError(f"{folder}: was begun with another recipe: {found}; give another folder with -o")
    elif folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: holds files that are no run's; give a new or an empty folder with -o")


def _tokenizer(model: TwoTowers) -> Tokenizer:
    assert model.tokenizer is not None  # the embedder refuses a model without
    return model.tokenizer


def _seed(seed: int, step: int, rank: int) -> int:
    """Where the random layers of a step begin; far from that of any other step and process."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 2)


def _saved_bad_batch(run: Run, inputs: Any, losses: dict[str, Tensor], length: float) -> str:
    path = run.folder / f"bad_batch_{run.world.rank}.pt"
    content = {"waveform": inputs.waveform.cpu(), "texts": list(inputs.texts), "losses": losses, "step": run.step}
    torch.save(content, path)
    values = ", ".join(f"{name} {value.item():.4g}" for name, value in losses.items())
    return (
        f"step {run.step}: {values}, length of the gradient {length:.4g}: not all are numbers; the batch is in {path}; "
        "lower optim.lr, or listen to the batch"
    )
