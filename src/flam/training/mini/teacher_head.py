"""The bridge: a head that carries the teacher's embedding into the joint space, learnt from labels in minutes.

The student then copies what this head says of every window, labelled or not: a dense target, where labels are few.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from flam.losses import infonce_loss
from flam.model.flam import FLAM
from flam.training.mini.batch import labels_and_valid, window_means
from flam.training.mini.class_loss import class_loss
from flam.training.mini.clip_windows import ClipWindows, WindowDrawer
from flam.training.mini.pool import Pool
from flam.training.mini.texts import LabelTexts


@dataclass(frozen=True)
class TeacherHeadConfig:
    """How the head is trained.

    Parameters
    ----------
    steps, lr : AdamW with a one-cycle schedule
    n_windows, n_scenes : windows of unmixed clips, and scenes of the pool, in a step
    pool_scenes : so many scenes of the pool are kept in memory
    hidden_dim, dropout : of the head
    text_lr_share : learning rate of the text tower against the head's
    class_weight : weight of the teacher's classes by name, where they are given
    seed : of everything random
    """

    steps: int = 900
    lr: float = 2e-3
    n_windows: int = 384
    n_scenes: int = 48
    pool_scenes: int = 30_000
    hidden_dim: int = 1024
    dropout: float = 0.3
    text_lr_share: float = 0.03
    class_weight: float = 0.5
    seed: int = 0


class TeacherHead(nn.Module):
    """(..., E) embeddings of the teacher to (..., D) features in the joint space, L2-normalised.

    The teacher's embedding is standardised first, by the mean and deviation it has in the pool.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, teacher_dim: int, joint_dim: int, config: TeacherHeadConfig):
        super().__init__()
        self.register_buffer("mean", torch.zeros(teacher_dim))
        self.register_buffer("std", torch.ones(teacher_dim))
        self.layers = nn.Sequential(
            nn.Dropout(config.dropout / 3),
            nn.Linear(teacher_dim, config.hidden_dim),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden_dim, joint_dim),
        )

    def measure(self, embedding: Tensor) -> None:
        """Take mean and deviation from (..., E) embeddings; a nearly constant dimension is not blown up."""
        flat = embedding.flatten(0, -2)
        std = flat.std(dim=0)
        self.mean.copy_(flat.mean(dim=0))
        self.std.copy_(std.clamp(min=0.05 * float(std.mean())))

    def standardise(self, embedding: Tensor) -> Tensor:
        """The teacher's embedding with mean 0 and deviation 1 in each dimension, heavy tails cut at 5 deviations."""
        return ((embedding - self.mean) / self.std).clamp(-5, 5)

    def forward(self, standardised: Tensor) -> Tensor:
        """Standardised embeddings to joint features."""
        return functional.normalize(self.layers(standardised), dim=-1)


def train_teacher_head(
    windows: ClipWindows,
    label_of: dict[str, int],
    pool: Pool,
    texts: LabelTexts,
    model: FLAM,
    hop_frames: int,
    config: TeacherHeadConfig,
    log: Callable[[dict[str, float]], None],
) -> TeacherHead:
    """Train a head on windows of unmixed clips and of the pool's scenes, and the text tower gently with it, in place.

    Unmixed clips teach what a label sounds like, scenes what is left of it in a mixture and what the teacher calls it.

    Parameters
    ----------
    windows : the teacher's embedding of unmixed clips
    label_of : training clips' ids to rows of the label list
    hop_frames : distance of two windows of the teacher in the pool, in frames of the labels
    """
    torch.manual_seed(config.seed)
    scenes = pool.load(("embedding", "scores", "label", "active", "complete"), config.pool_scenes)
    drawer = WindowDrawer(windows, label_of)
    clip_embedding = torch.from_numpy(windows.embedding.astype(np.float32))
    head = TeacherHead(clip_embedding.shape[-1], model.config.joint_dim, config)
    in_scenes = torch.from_numpy(scenes["embedding"][:1000].astype(np.float32)).flatten(0, 1)
    of_training = torch.from_numpy(np.isin(windows.clip_ids, list(label_of)))
    head.measure(torch.cat([clip_embedding[of_training][::4], in_scenes]))
    text_parameters = [*model.text_encoder.parameters(), *model.text_projection.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": head.parameters(), "lr": config.lr, "weight_decay": 0.02},
            {"params": text_parameters, "lr": config.lr * config.text_lr_share, "weight_decay": 0.0},
        ]
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [group["lr"] for group in optimizer.param_groups], total_steps=config.steps
    )
    temperature = model.log_temperature_inverse.detach()
    total = 0.0
    head.train()
    for step in range(config.steps):
        rng = np.random.Generator(np.random.PCG64([config.seed, step]))
        described = model.project_text(model.text_encoder(texts.draw(rng))).text_features
        places, rows = drawer.draw(config.n_windows, rng)
        positives = functional.one_hot(torch.from_numpy(rows), len(texts.labels)).bool()
        counted = texts.trained & ~texts.related[torch.from_numpy(rows)]
        loss = infonce_loss(head(head.standardise(clip_embedding[places])), described, temperature, positives, counted)
        scene = scenes[rng.integers(len(scenes), size=config.n_scenes)]
        features = head(head.standardise(torch.from_numpy(scene["embedding"].astype(np.float32))))
        labels, valid = labels_and_valid(scene, texts)
        share = window_means(labels.float(), features.shape[1], hop_frames)
        # a label that fills half a window is right; one that only touches it is neither right nor wrong
        positives = (share >= 0.5).flatten(0, 1)
        counted = (valid[:, None] & ((share == 0) | (share >= 0.5))).flatten(0, 1)
        loss = loss + infonce_loss(features.flatten(0, 1), described, temperature, positives, counted)
        if texts.classes is not None:
            named = model.project_text(model.text_encoder(texts.classes.draw(rng))).text_features
            scores = torch.from_numpy(scene["scores"].astype(np.float32) / 255)
            loss = loss + config.class_weight * class_loss(features, named, temperature, scores)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.item()
        if (step + 1) % 100 == 0:
            log({"step": step + 1, "head_loss": round(total / 100, 4)})
            total = 0.0
    return head.eval().requires_grad_(False)
