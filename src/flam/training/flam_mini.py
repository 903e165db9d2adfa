"""The recipe of flam-mini: text pretraining, distillation with the clip loss, then the frame loss on exact labels.

Read top to bottom: ``MiniConfig`` says what is trained, ``fit`` trains it, ``step_losses`` is one step, ``validate`` looks at
recordings the model never saw.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from flam.core import ConfigError
from flam.evaluation.auroc import macro_auroc
from flam.losses import framewise_loss, infonce_loss, prior_loss
from flam.model.convnet import ConvEncoder, ConvEncoderConfig
from flam.model.flam import FLAM, FLAMConfig, TextFeatures, score
from flam.model.text import LightTextConfig
from flam.training.pool import Pool, PoolConfig
from flam.training.text_pretraining import TextPretrainingConfig
from flam.training.texts import LabelTexts

TEACHER_WINDOW_FRAMES = 12


@dataclass(frozen=True)
class Stage:
    """A stretch of training with its own mix of losses.

    Parameters
    ----------
    name : appears in the log
    steps, lr : length and peak learning rate; warm-up, then cosine to a twentieth
    weights : weight of each loss: distill, tag, clip, frame, prior; a loss without weight is not computed
    text_lr_share : learning rate of the text tower against the rest, 0 keeps it as it is
    """

    name: str
    steps: int
    lr: float
    weights: dict[str, float]
    text_lr_share: float = 0.0


@dataclass(frozen=True)
class MiniConfig:
    """Everything that decides what flam-mini becomes.

    Parameters
    ----------
    model, text, pool, stages : the parts' own settings
    held_out_share, held_out_folds, merged_sources : the split, see ``flam.synth.library.held_out``
    n_shards, n_validation_shards : sizes of the two pools, 250 scenes a shard
    batch_size, weight_decay, clip_norm, warmup_steps, ema_decay, seed : of the optimisation
    validate_every, save_every : in steps
    """

    model: FLAMConfig = field(
        default_factory=lambda: FLAMConfig(audio=ConvEncoderConfig(), text=LightTextConfig(), joint_dim=256)
    )
    text: TextPretrainingConfig = TextPretrainingConfig()
    pool: PoolConfig = PoolConfig()
    stages: tuple[Stage, ...] = ()
    held_out_share: float = 0.08
    held_out_folds: tuple[str, ...] = ("4",)
    merged_sources: tuple[str, ...] = ("antum_sounds", "antum_game_mods", "minetest_game", "mineclone5")
    n_shards: int = 320
    n_validation_shards: int = 6
    batch_size: int = 32
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    warmup_steps: int = 150
    ema_decay: float = 0.998
    seed: int = 0
    validate_every: int = 300
    save_every: int = 100


class TeacherHeads(nn.Module):
    """Linear readings of the frame embedding, used in training only: the teacher's embedding and its class scores."""

    def __init__(self, embed_dim: int, teacher_dim: int, n_classes: int):
        super().__init__()
        self.embedding = nn.Linear(embed_dim, teacher_dim)
        self.scores = nn.Linear(embed_dim, n_classes)


@dataclass(frozen=True)
class Batch:
    """Scenes as tensors: ``logmel (B, 8 T, F)``, teacher targets, and labels against every text.

    ``labels (B, T, K)`` True where text k sounds; ``valid (B, K)`` False where it may sound unnoticed; ``single (B,)`` True for
    scenes of one source, which teach the clip loss.
    """

    logmel: Tensor
    embedding: Tensor
    scores: Tensor
    labels: Tensor
    valid: Tensor
    single: Tensor


def fit(
    config: MiniConfig,
    model: FLAM,
    texts: LabelTexts,
    pool: Pool,
    validation: Callable[[FLAM], dict[str, float]],
    folder: Path,
) -> FLAM:
    """Train, or go on from the last checkpoint in ``folder``; returns the averaged model.

    Every 100 steps a line goes to ``log.jsonl``; a non-finite loss stops the run with the batch saved beside it.
    """
    first = pool.take(np.arange(2 * min(len(pool), 1000) // 2))
    assert isinstance(model.audio_encoder, ConvEncoder)
    heads = TeacherHeads(model.audio_encoder.embed_dim, first["embedding"].shape[-1], first["scores"].shape[-1])
    target_mean, target_std = _standardisation(first["embedding"])
    start_from = {name: value.clone() for name, value in model.text_encoder.state_dict().items()}
    trained = nn.ModuleList([model, heads])
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.ema_decay), use_buffers=True
    )
    text_parameters = [*model.text_encoder.parameters(), *model.text_projection.parameters()]
    text_ids = {id(parameter) for parameter in text_parameters}
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in trained.parameters() if id(p) not in text_ids], "share": 1.0},
            {"params": text_parameters, "share": 0.0},
        ],
        lr=0.0,
        weight_decay=config.weight_decay,
    )
    checkpoint = folder / "checkpoint.pt"
    step = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        trained.load_state_dict(saved["trained"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        step = saved["step"]
    total = sum(stage.steps for stage in config.stages)
    sums: dict[str, float] = {}
    started = time.monotonic()
    while step < total:
        stage, stage_step = _stage_at(config.stages, step)
        if step % 50 == 0:
            pool.refresh()
        for group in optimizer.param_groups:
            share = 1.0 if group["share"] == 1.0 else stage.text_lr_share
            group["lr"] = share * _lr(stage, stage_step, config.warmup_steps)
        rng = np.random.Generator(np.random.PCG64([config.seed, step]))
        rows = pool.take(rng.integers(len(pool), size=config.batch_size))
        batch = make_batch(rows, texts, target_mean, target_std, rng)
        trained.train()
        losses = step_losses(model, heads, batch, texts, stage, start_from, rng)
        loss = torch.stack([stage.weights.get(name.removesuffix("_loss"), 1.0) * v for name, v in losses.items()]).sum()
        if not math.isfinite(loss.item()):
            np.save(folder / "bad_batch.npy", rows)
            raise ConfigError(
                f"step {step}: loss is {loss.item()}; the batch is in {folder / 'bad_batch.npy'}, lower lr"
            )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained.parameters(), config.clip_norm)
        optimizer.step()
        average.update_parameters(model)
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value.item()
        step += 1
        if step % 100 == 0:
            speed = 100 * config.batch_size / (time.monotonic() - started)
            figures = {name: round(value / 100, 4) for name, value in sums.items()}
            _log(
                folder,
                {"step": step, "stage": stage.name, "scenes_per_s": round(speed, 1), "pool": len(pool), **figures},
            )
            sums, started = {}, time.monotonic()
        if step % config.validate_every == 0 or step == total:
            _log(folder, {"step": step, "stage": stage.name, **validation(average.module)})
            started = time.monotonic()
        if step % config.save_every == 0 or step == total:
            state = {"trained": trained.state_dict(), "average": average.state_dict(), "step": step}
            torch.save({**state, "optimizer": optimizer.state_dict()}, checkpoint.with_suffix(".part"))
            os.replace(checkpoint.with_suffix(".part"), checkpoint)
    return average.module


def step_losses(
    model: FLAM,
    heads: TeacherHeads,
    batch: Batch,
    texts: LabelTexts,
    stage: Stage,
    start_from: dict[str, Tensor],
    rng: np.random.Generator,
) -> dict[str, Tensor]:
    """The losses of one step, each under a name that ends in ``_loss``; their weighted sum is minimised."""
    assert isinstance(model.audio_encoder, ConvEncoder)
    wanted = stage.weights
    frames = model.audio_encoder.encode_logmel(batch.logmel)
    # (B, W, C): the student's embedding averaged over each window of the teacher
    hop = (frames.shape[1] - TEACHER_WINDOW_FRAMES - 1) // (batch.embedding.shape[1] - 1)
    windows = frames.unfold(1, TEACHER_WINDOW_FRAMES, hop).mean(dim=-1)[:, : batch.embedding.shape[1]]
    losses: dict[str, Tensor] = {}
    if "distill" in wanted:
        predicted = heads.embedding(windows)
        distance = 1 - functional.cosine_similarity(predicted, batch.embedding, dim=-1).mean()
        losses["distill_loss"] = distance + functional.mse_loss(predicted, batch.embedding)
    if "tag" in wanted:
        losses["tag_loss"] = functional.binary_cross_entropy_with_logits(heads.scores(windows), batch.scores) * 100
    if not {"clip", "frame", "prior"} & wanted.keys():
        return losses
    embedded = model.text_encoder(texts.draw(rng))
    described: TextFeatures = model.project_text(embedded)
    heard = model.project_audio(frames)
    if "clip" in wanted:
        present = batch.labels.any(dim=1) & batch.single[:, None]
        losses["clip_loss"] = infonce_loss(
            heard.audio_features, described.text_features, model.log_temperature_inverse, present, batch.valid
        )
    if "frame" in wanted:
        losses["frame_loss"] = framewise_loss(heard.frame_features, *described, batch.labels, batch.valid[:, None])
    if "prior" in wanted:
        losses["prior_loss"] = prior_loss(described.logit_bias, batch.labels, batch.valid[:, None])
    if stage.text_lr_share > 0:
        pulls = [(value - start_from[name]).square().mean() for name, value in model.text_encoder.named_parameters()]
        losses["text_pull_loss"] = 10 * torch.stack(pulls).sum()
    return losses


def make_batch(
    rows: np.ndarray, texts: LabelTexts, target_mean: Tensor, target_std: Tensor, rng: np.random.Generator | None
) -> Batch:
    """Pool rows to tensors; with a generator, the log-mel is shifted in level, coloured and masked."""
    logmel = torch.from_numpy(rows["logmel"].astype(np.float32))
    if rng is not None:
        logmel = _augmented(logmel, rng)
    n_scenes, n_frames = rows["active"].shape[0], rows["active"].shape[2]
    labels = torch.zeros(n_scenes, n_frames, len(texts.labels), dtype=torch.bool)
    valid = torch.from_numpy(np.repeat(rows["complete"][:, None], len(texts.labels), axis=1))
    for scene in range(n_scenes):
        for label, active in zip(rows["label"][scene], rows["active"][scene], strict=True):
            if label >= 0:
                valid[scene] &= ~texts.related[label]
    for scene in range(n_scenes):
        for label, active in zip(rows["label"][scene], rows["active"][scene], strict=True):
            if label >= 0:
                labels[scene, :, label] = torch.from_numpy(active)
                valid[scene, label] = True
    embedding = (torch.from_numpy(rows["embedding"].astype(np.float32)) - target_mean) / target_std
    scores = torch.from_numpy(rows["scores"].astype(np.float32) / 255)
    return Batch(logmel, embedding, scores, labels, valid, torch.from_numpy(rows["single"].copy()))


def _augmented(logmel: Tensor, rng: np.random.Generator) -> Tensor:
    """Level +-8 dB, a smooth colour of 3 dB, and SpecAugment along frequency (2 masks of up to 8 bands)."""
    n_scenes, _, n_mels = logmel.shape
    colour = np.stack(
        [np.interp(np.arange(n_mels), np.linspace(0, n_mels - 1, 6), k) for k in rng.normal(0, 3, (n_scenes, 6))]
    )
    shift = rng.uniform(-8, 8, (n_scenes, 1)) + colour
    logmel = logmel + torch.from_numpy(shift.astype(np.float32))[:, None]
    for scene in range(n_scenes):
        for _ in range(2):
            width = int(rng.integers(0, 9))
            start = int(rng.integers(0, n_mels - width + 1))
            logmel[scene, :, start : start + width] = logmel[scene].mean()
    return logmel


@torch.inference_mode()
def pool_auroc(model: FLAM, rows: np.ndarray, texts: LabelTexts, n_prompts: int = 50, batch_size: int = 64) -> float:
    """Macro frame AUROC on scenes of a pool, over the labels that sound most often in it, each asked for by its name."""
    assert isinstance(model.audio_encoder, ConvEncoder)
    model.eval()
    counts = np.bincount(rows["label"][rows["label"] >= 0], minlength=len(texts.labels))
    chosen = np.argsort(-counts, kind="stable")[:n_prompts]
    prompts = model.embed_text([texts.labels[k] for k in chosen])
    dim = rows["embedding"].shape[-1]
    scores, labels = [], []
    for start in range(0, len(rows), batch_size):
        batch = make_batch(rows[start : start + batch_size], texts, torch.zeros(dim), torch.ones(dim), None)
        frames = model.project_audio(model.audio_encoder.encode_logmel(batch.logmel)).frame_features
        scores.append(score(frames, prompts, "posterior").flatten(0, 1).numpy())
        labels.append(batch.labels[:, :, chosen].flatten(0, 1).numpy())
    return macro_auroc(np.concatenate(scores), np.concatenate(labels))


@torch.inference_mode()
def clip_accuracy(model: FLAM, logmels: Sequence[Tensor], answers: Sequence[str]) -> float:
    """Top-1 accuracy of naming clips among all their labels, by the cosine of global features and label names."""
    assert isinstance(model.audio_encoder, ConvEncoder)
    model.eval()
    names = sorted(set(answers))
    prompts = model.embed_text(names).text_features
    hits = 0
    for logmel, answer in zip(logmels, answers, strict=True):
        features = model.project_audio(model.audio_encoder.encode_logmel(logmel[None])).audio_features
        hits += names[int((features @ prompts.T).argmax())] == answer
    return hits / len(answers)


def _standardisation(embedding: np.ndarray) -> tuple[Tensor, Tensor]:
    flat = torch.from_numpy(embedding.astype(np.float32)).flatten(0, 1)
    return flat.mean(dim=0), flat.std(dim=0).clamp(min=0.05 * float(flat.std()))


def _stage_at(stages: Sequence[Stage], step: int) -> tuple[Stage, int]:
    for stage in stages:
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    raise ConfigError(f"step {step} lies after the last stage")


def _lr(stage: Stage, step: int, warmup_steps: int) -> float:
    warmup = min(1.0, (step + 1) / warmup_steps)
    return stage.lr * warmup * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / stage.steps)))


def _log(folder: Path, entry: dict) -> None:
    with open(folder / "log.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def with_stages(config: MiniConfig, **steps: int) -> MiniConfig:
    """The same recipe with other stage lengths, by stage name."""
    stages = tuple(dataclasses.replace(stage, steps=steps.get(stage.name, stage.steps)) for stage in config.stages)
    return dataclasses.replace(config, stages=stages)
