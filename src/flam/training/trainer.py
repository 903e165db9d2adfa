"""The trainer, in reading order: train, prepare, fit, take a step, validate, package. It knows no task."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from flam.core import ConfigError, save_yaml, to_mapping
from flam.model.export import add_graphs
from flam.training.accumulation import accumulate_gradients
from flam.training.checkpoints import Checkpoints, WeightAverage, whole_weights
from flam.training.distribution import (
    World,
    clip_gradients,
    distributed_context,
    sync_buffers,
    without_sync,
    wrap_distributed,
)
from flam.training.log import TrainingLog, draw_curves
from flam.training.optimization import freeze, make_optimizer, set_learning_rate, stage_at, weighted_sum
from flam.training.recipe import Recipe, first_difference, load_recipe
from flam.training.start import package
from flam.training.task import Notify, Task

FIRST_VALIDATION_BATCHES = 2
# called with steps done, steps in all, and the newest figures
TrainingProgress = Callable[[int, int, dict[str, Any]], None]


@dataclass
class TrainingRun:
    """What a run holds while it lasts.

    Parameters
    ----------
    recipe : Recipe
        What is trained and how.
    task : Task
        Batches, losses and the module that is trained.
    folder : Path
        What the run leaves behind.
    world : World
        This process among all.
    module : torch.nn.Module
        The task's module, wrapped for several processes.
    optimizer : torch.optim.Optimizer
        torch.optim.Optimizer
    average : WeightAverage or None
        Of the weights.
    checkpoints : Checkpoints
        Checkpoints
    log : TrainingLog or None
        Of the first process; None elsewhere.
    step : int
        Steps that are done.
    best : float
        Quality of the best model so far.
    sums, n_summed : dict of str to torch.Tensor, int
        Losses since the last line of the log, and how many steps they are of.
    """

    recipe: Recipe
    task: Task
    folder: Path
    world: World
    module: nn.Module
    optimizer: torch.optim.Optimizer
    average: WeightAverage | None
    checkpoints: Checkpoints
    log: TrainingLog | None = None
    step: int = 0
    best: float = -math.inf
    sums: dict[str, Tensor] = field(default_factory=dict)
    n_summed: int = 0


def train(
    recipe: str | Path,
    folder: str | Path,
    changes: tuple[str, ...] = (),
    progress: TrainingProgress = lambda done, total, figures: None,
    notify: Notify = lambda line: None,
) -> dict[str, Any]:
    """Train as a recipe says, or go on where an earlier run of the same recipe in the same folder stopped.

    Parameters
    ----------
    recipe : str or Path
        YAML file.
    folder : str or Path
        Of the run; takes the resolved recipe, the log, its picture, checkpoints, and the models ``best`` and
        ``final``, which ``flam detect --model`` takes.
    changes : tuple of str
        "key=value" over the recipe.
    progress : callable
        Told after each step, on the first process alone.
    notify : callable
        Told one line before a model is fetched.

    Returns
    -------
    dict
        The last held-out figures.

    Raises
    ------
    ConfigError
        The recipe can't be used, or the folder was begun with another one.
    """
    settings, folder = check(recipe, folder, changes)
    with distributed_context(settings.compute.device) as world:
        if world.world_size > 1 and not settings.task_class.can_be_spread:
            raise ConfigError(f"task {settings.task.kind} trains in one process; start it without torchrun")
        task = settings.task_class.open(settings, world, notify)
        run = prepare(settings, task, folder, world)
        # what is wrong with data or model shows now, not after hours
        figures = validate(run, FIRST_VALIDATION_BATCHES)
        if world.is_first:
            folder.mkdir(parents=True, exist_ok=True)
            save_yaml(settings, folder / "config.yaml")
            run.log = TrainingLog(folder, run.step, settings.record.tensorboard)
        if run.step < settings.n_steps:
            figures = fit(run, progress if world.is_first else lambda *_: None)
        package_average(run, folder / "final", {"steps": str(run.step)})
        if world.is_first and run.task.quality is not None:
            # once, at the end: writing graphs takes longer than many a step
            for name in ("best", "final"):
                if (folder / name).is_dir():
                    add_graphs(folder / name)
        return figures


def check(recipe: str | Path, folder: str | Path, changes: tuple[str, ...] = ()) -> tuple[Recipe, Path]:
    """Refuse what can be known to fail before anything is read, made or written.

    Returns
    -------
    tuple of Recipe and Path
        The recipe with its changes, and the folder of the run.

    Raises
    ------
    ConfigError
        A setting is unknown or does not fit the others, a file that the recipe names is not there, or the folder holds
        something else than a run of this recipe, which may change until the first checkpoint.
    """
    settings, folder = load_recipe(recipe, changes), Path(folder)
    path = folder / "config.yaml"
    if path.exists():
        found = first_difference(to_mapping(load_recipe(path)), to_mapping(settings))
        if found is not None and (folder / "checkpoints").exists():
            raise ConfigError(f"{folder}: was begun with another recipe: {found}; give another folder with -o")
    elif folder.exists() and any(path.name != ".lock" for path in folder.iterdir()):
        raise ConfigError(f"{folder}: holds files that are no run's; give a new or an empty folder with -o")
    return settings, folder


def prepare(recipe: Recipe, task: Task, folder: Path, world: World) -> TrainingRun:
    """Wrap what is trained and make an optimizer; go on from the newest checkpoint in the folder, if any."""
    freeze(task.module, recipe.freeze)
    module = wrap_distributed(task.module, recipe.compute.strategy, world)
    optimizer = make_optimizer(task.module, recipe.optim)
    average = WeightAverage(module, recipe.ema_decay, recipe.ema_warmup) if recipe.ema_decay > 0 else None
    checkpoints = Checkpoints(folder / "checkpoints", recipe.record.keep)
    run = TrainingRun(recipe, task, folder, world, module, optimizer, average, checkpoints)
    newest = checkpoints.newest()
    if newest is not None:
        run.step, kept = checkpoints.load(newest, module, optimizer, average)
        run.best, run.n_summed = kept["best"], kept["n_summed"]
        run.sums = {name: value.to(world.device) for name, value in kept["sums"].items()}
    return run


def fit(
    run: TrainingRun, progress: TrainingProgress, should_stop: Callable[[], bool] = lambda: False
) -> dict[str, Any]:
    """Train to the last step of the recipe.

    Parameters
    ----------
    run : TrainingRun
        From ``prepare``.
    progress : callable
        Told after each step.
    should_stop : callable
        Asked before each step; True ends the training there, as a checkpoint to go on from.

    Returns
    -------
    dict
        The figures after the last step.
    """
    recipe, record, n_steps = run.recipe, run.recipe.record, run.recipe.n_steps
    batches, figures = run.task.batches(run.step), dict[str, Any]()
    begun, waited_s, n_clips = time.monotonic(), 0.0, 0
    saved = run.step
    while run.step < n_steps and not should_stop():
        asked = time.monotonic()
        batch = next(batches)
        waited_s += time.monotonic() - asked
        rate = set_learning_rate(run.optimizer, recipe.resolved_stages, run.step, recipe.optim)
        stage, _ = stage_at(recipe.resolved_stages, run.step)
        gradient_norm = take_step(run, batch)
        n_clips += run.world.world_size * run.task.n_clips(batch)
        is_last = run.step == n_steps
        figures = {}
        if run.step % record.log_every == 0 or is_last:
            seconds = time.monotonic() - begun
            figures = {"stage": stage.name} if stage.name else {}
            figures |= {name: round((value / run.n_summed).item(), 6) for name, value in run.sums.items()}
            figures |= {"lr": rate, "gradient_norm": round(gradient_norm, 4)}
            figures |= {"clips_per_s": round(n_clips / seconds, 2), "data_wait_share": round(waited_s / seconds, 3)}
            run.sums, run.n_summed = {}, 0
        if run.step % record.validate_every == 0 or is_last:
            figures |= validate(run, record.validation_batches)
            keep_if_best(run, figures)
        if figures and run.log is not None:
            run.log.write({"step": run.step, **figures})
            if run.task.quality in figures:
                with contextlib.suppress(ConfigError):  # without matplotlib there is no picture
                    draw_curves(run.folder)
        if run.step % record.save_every == 0 or is_last:
            save(run)
            saved = run.step
        if figures:
            begun, waited_s, n_clips = time.monotonic(), 0.0, 0
        progress(run.step, n_steps, figures)
    if run.step != saved:
        save(run)
    return figures


def save(run: TrainingRun) -> None:
    """Write a checkpoint to go on from."""
    kept = {"best": run.best, "sums": run.sums, "n_summed": run.n_summed}
    run.checkpoints.save(run.step, run.module, run.optimizer, run.average, kept, run.world)


def take_step(run: TrainingRun, batch: Any) -> float:
    """Move the weights once.

    Returns
    -------
    float
        Length of the gradient.

    Raises
    ------
    ConfigError
        A loss or the gradient is no number; the batch is saved beside the log.
    """
    recipe, task = run.recipe, run.task
    stage, _ = stage_at(recipe.resolved_stages, run.step)
    micro_batch_size = recipe.compute.micro_batch_size
    n_pieces = 1 if micro_batch_size is None else math.ceil(task.n_clips(batch) / micro_batch_size)
    run.module.train()
    run.optimizer.zero_grad()
    losses = accumulate_gradients(
        run.module,
        task.pieces(batch, n_pieces),
        lambda features: task.losses(features, batch, stage.enabled, n_pieces),
        lambda parts: weighted_sum(parts, stage.losses),
        seed=_seed(recipe.seed, run.step, run.world.rank),
        without_sync=lambda: without_sync(run.module),
    )
    sync_buffers(run.module, run.world)
    gradient_norm = clip_gradients(run.module, recipe.optim.clip_norm)
    if not all(math.isfinite(value) for value in (gradient_norm, *(loss.item() for loss in losses.values()))):
        raise ConfigError(_saved_bad_batch(run, batch, losses, gradient_norm))
    run.optimizer.step()
    if run.average is not None:
        run.average.update(run.step)
    run.step += 1
    run.n_summed += 1
    for name, value in losses.items():
        run.sums[name] = run.sums[name] + value if name in run.sums else value
    return gradient_norm


def validate(run: TrainingRun, n_batches: int) -> dict[str, Any]:
    """Measure the averaged model on held-out data."""
    run.module.eval()
    with averaged(run):
        return run.task.validate(n_batches)


def keep_if_best(run: TrainingRun, figures: dict[str, Any]) -> None:
    """Package the model as ``best`` if no earlier one was better on held-out data."""
    quality = None if run.task.quality is None else figures.get(run.task.quality)
    if quality is not None and quality > run.best:
        run.best = quality
        package_average(run, run.folder / "best", {"step": str(run.step), "held-out frame AUROC": str(run.best)})


def package_average(run: TrainingRun, folder: Path, facts: dict[str, str]) -> None:
    """Write the averaged model as a checkpoint; every process takes part, the first one writes."""
    with averaged(run):
        weights = whole_weights(run.module)
        if run.world.is_first:
            tokenizer = run.task.model.tokenizer
            assert tokenizer is not None  # the tasks refuse a model without
            package(weights, tokenizer, run.recipe, folder, facts)


@contextlib.contextmanager
def averaged(run: TrainingRun) -> Iterator[None]:
    """Give the model its averaged weights within the block, where there are some."""
    with contextlib.nullcontext() if run.average is None else run.average.applied():
        yield


def _seed(seed: int, step: int, rank: int) -> int:
    """Where the random layers of a step begin; far from that of any other step and process."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 2)


def _saved_bad_batch(run: TrainingRun, batch: Any, losses: dict[str, Tensor], length: float) -> str:
    path = run.folder / f"bad_batch_{run.world.rank}.pt"
    torch.save({**run.task.saved(batch), "losses": losses, "step": run.step}, path)
    values = ", ".join(f"{name} {value.item():.4g}" for name, value in losses.items())
    return (
        f"step {run.step}: {values}, length of the gradient {length:.4g}: not all are numbers; the batch is in {path}; "
        "lower optim.lr, or listen to the batch"
    )
