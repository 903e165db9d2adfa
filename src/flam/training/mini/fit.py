"""Training: distillation with the clip loss, then the frame loss on exact labels, resumable at any checkpoint."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from flam.core import ConfigError
from flam.losses import framewise_loss, infonce_loss, prior_loss
from flam.model.convnet import ConvEncoder
from flam.model.flam import FLAM
from flam.training.mini.batch import Batch, make_batch, window_means
from flam.training.mini.class_loss import class_loss
from flam.training.mini.config import MiniConfig, Stage
from flam.training.mini.pool import Pool
from flam.training.mini.sound_losses import event_loss, near_loss
from flam.training.mini.teacher_head import TeacherHead
from flam.training.mini.texts import LabelTexts


class TeacherHeads(nn.Module):
    """Linear readings of the frame embedding, used in training only: the teacher's embedding and its class scores."""

    def __init__(self, embed_dim: int, teacher_dim: int, n_classes: int):
        super().__init__()
        self.embedding = nn.Linear(embed_dim, teacher_dim)
        self.scores = nn.Linear(embed_dim, n_classes)


def fit(
    config: MiniConfig,
    model: FLAM,
    texts: LabelTexts,
    teacher_head: TeacherHead,
    pool: Pool,
    validation: Callable[[FLAM], dict[str, float]],
    folder: Path,
) -> FLAM:
    """Train, or go on from the last checkpoint in ``folder``; returns the averaged model.

    Every ``log_every`` steps a line goes to ``log.jsonl``; a non-finite loss stops the run, its batch saved beside it.
    """
    first = pool.take(np.arange(1))
    assert isinstance(model.audio_encoder, ConvEncoder)
    heads = TeacherHeads(model.audio_encoder.embed_dim, first["embedding"].shape[-1], first["scores"].shape[-1])
    start_from = {name: value.clone() for name, value in model.text_encoder.state_dict().items()}
    model.audio_encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trained = nn.ModuleList([model, heads])
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.ema_decay), use_buffers=True
    )
    averaged = cast(FLAM, average.module)
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
    started, started_step = time.monotonic(), step
    while step < total:
        stage, stage_step = _stage_at(config.stages, step)
        if step % 50 == 0:
            pool.refresh()
        for group in optimizer.param_groups:
            share = 1.0 if group["share"] == 1.0 else stage.text_lr_share
            group["lr"] = share * _lr(stage, stage_step, config.warmup_steps)
        rng = np.random.Generator(np.random.PCG64([config.seed, step]))
        rows = pool.take(rng.integers(len(pool), size=config.batch_size))
        standardise, hop_frames = teacher_head.standardise, config.pool.teacher_hop_frames
        batch = make_batch(rows, texts, standardise, rng if config.augment else None, config.crop_windows, hop_frames)
        trained.train()
        losses = step_losses(
            model,
            heads,
            teacher_head,
            batch,
            texts,
            stage,
            start_from,
            config.pool.teacher_hop_frames,
            rng,
            config.bf16,
        )
        loss = torch.stack([stage.weights[name.removesuffix("_loss")] * v for name, v in losses.items()]).sum()
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
        if step % config.log_every == 0:
            speed = (step - started_step) * config.batch_size / (time.monotonic() - started)
            figures = {name: round(value / config.log_every, 4) for name, value in sums.items()}
            _log(
                folder,
                {"step": step, "stage": stage.name, "scenes_per_s": round(speed, 1), "pool": len(pool), **figures},
            )
            sums, started, started_step = {}, time.monotonic(), step
        if step % config.save_every == 0 or step == total:
            state = {"trained": trained.state_dict(), "average": average.state_dict(), "step": step}
            torch.save({**state, "optimizer": optimizer.state_dict()}, checkpoint.with_suffix(".part"))
            os.replace(checkpoint.with_suffix(".part"), checkpoint)
        if step % config.validate_every == 0 or step == total:
            _log(folder, {"step": step, "stage": stage.name, **validation(averaged)})
            started, started_step = time.monotonic(), step
    return averaged


def step_losses(
    model: FLAM,
    heads: TeacherHeads,
    teacher_head: TeacherHead,
    batch: Batch,
    texts: LabelTexts,
    stage: Stage,
    start_from: dict[str, Tensor],
    hop_frames: int,
    rng: np.random.Generator,
    bf16: bool = False,
) -> dict[str, Tensor]:
    """The losses of one step, each under a name that ends in ``_loss``; their weighted sum is minimised."""
    assert isinstance(model.audio_encoder, ConvEncoder)
    wanted = stage.weights
    # convolutions in bf16 take half the time of fp32 where the processor has the instructions, else several times it
    with torch.autocast(batch.logmel.device.type, torch.bfloat16, enabled=bf16):
        frames = model.audio_encoder.encode_logmel(batch.logmel)
    frames = frames.float()
    # (B, W, C): the student's embedding averaged over each window of the teacher
    windows = window_means(frames, batch.embedding.shape[1], hop_frames)
    losses: dict[str, Tensor] = {}
    if "distill" in wanted:
        predicted = heads.embedding(windows)
        distance = 1 - functional.cosine_similarity(predicted, batch.embedding, dim=-1).mean()
        losses["distill_loss"] = distance + functional.smooth_l1_loss(predicted, batch.embedding)
    if "tag" in wanted:
        losses["tag_loss"] = functional.binary_cross_entropy_with_logits(heads.scores(windows), batch.scores)
    spoken = functional.normalize(model.audio_projection(windows), dim=-1)
    if "joint" in wanted:
        # what the teacher's own head says of each window, in the joint space
        losses["joint_loss"] = 1 - (spoken * teacher_head(batch.embedding)).sum(dim=-1).mean()
    if "class" in wanted:
        if texts.classes is None:
            raise ConfigError("the loss class needs the names of the teacher's classes; give --teacher-classes")
        named = model.project_text(model.text_encoder(texts.classes.draw(rng))).text_features
        losses["class_loss"] = class_loss(spoken, named, model.log_temperature_inverse, batch.scores)
    if not {"clip", "event", "near", "frame", "prior"} & wanted.keys():
        return losses
    embedded = model.text_encoder(texts.draw(rng))
    described = model.project_text(embedded)
    heard = model.project_audio(frames)
    if "clip" in wanted:
        # what sounds for a third of the scene, or alone, is what the whole scene is about
        present = (batch.labels.float().mean(dim=1) > 1 / 3) | (batch.labels.any(dim=1) & batch.single[:, None])
        losses["clip_loss"] = infonce_loss(
            heard.audio_features, described.text_features, model.log_temperature_inverse, present, batch.valid
        )
    if "event" in wanted:
        losses["event_loss"] = event_loss(
            heard.frame_features, described.text_features, model.log_temperature_inverse, batch
        )
    if "near" in wanted:
        if not texts.near_misses.ways:
            raise ConfigError("the loss near needs near misses; give --phrases that name some")
        near = model.project_text(model.text_encoder(texts.near_misses.draw(rng))).text_features
        losses["near_loss"] = near_loss(
            heard.frame_features, described.text_features, near, model.log_temperature_inverse, batch, texts
        )
    if "frame" in wanted:
        losses["frame_loss"] = framewise_loss(
            heard.frame_features, *described, labels=batch.labels, valid=batch.valid[:, None] * batch.weight
        )
    if "prior" in wanted:
        losses["prior_loss"] = prior_loss(described.logit_bias, batch.labels, batch.valid[:, None])
    if "text_pull" in wanted:
        pulls = [(value - start_from[name]).square().mean() for name, value in model.text_encoder.named_parameters()]
        losses["text_pull_loss"] = torch.stack(pulls).sum()
    return losses


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
