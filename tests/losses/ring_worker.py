"""Real processes compute the ring's losses and each compares them, and all gradients, with one process's.

    python tests/losses/ring_worker.py 1 2 4 8

for rings of one, two, four and eight processes. What one process computes is what the simple losses give for the whole
batch, with labels filled in by loops.
"""

from __future__ import annotations

import copy
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch._dynamo  # DistributedDataParallel imports it: once here, not once in each process
import torch.distributed as dist
import torch.multiprocessing
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from flam.losses import (
    FrameLabels,
    TextShard,
    framewise_loss,
    infonce_loss,
    pooled_similarity,
    prior_loss,
    ring_framewise_loss,
    ring_infonce_loss,
    ring_prior_loss,
    ring_sigmoid_loss,
    sigmoid_loss,
)

T, D_IN, D = 4, 7, 6


@dataclass
class Part:
    """The batch of one rank: inputs of the towers, and what is known of them."""

    clips: Tensor  # (B, T, D_IN)
    captions: Tensor  # (B,) ids
    texts: Tensor  # (K, D_IN)
    text_ids: Tensor  # (K,)
    valid: Tensor  # (K,)
    labels: FrameLabels


class Towers(nn.Module):
    """As many parameters as there are roads for a gradient, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.audio, self.text = nn.Linear(D_IN, D), nn.Linear(D_IN, D)
        self.scale, self.bias = nn.Linear(D_IN, 1), nn.Linear(D_IN, 1)
        self.log_temperature_inverse = nn.Parameter(torch.tensor(1.5))
        self.clip_bias = nn.Parameter(torch.tensor(-2.0))

    def forward(self, part: Part) -> tuple[Tensor, Tensor, TextShard]:
        texts = TextShard(
            functional.normalize(self.text(part.texts), dim=-1),
            self.scale(part.texts)[:, 0].exp(),
            self.bias(part.texts)[:, 0] - 1.0,
            part.text_ids,
            part.valid,
        )
        frames = functional.normalize(self.audio(part.clips), dim=-1)
        return frames, functional.normalize(self.audio(part.clips.mean(dim=1)), dim=-1), texts


class RingLoss(nn.Module):
    """One loss, inside of what DistributedDataParallel wraps, so that it sees each parameter's use."""

    def __init__(self, towers: Towers, name: str) -> None:
        super().__init__()
        self.towers, self.name = towers, name

    def forward(self, part: Part) -> Tensor:
        return ring_loss(self.name, part, self.towers)


def draw_part(
    seed: int, n_clips: int, n_texts: int, n_ids: int, masked: float, unsure: int = 0, entries: int = 6
) -> Part:
    """Entries name texts of any rank; with few ids, captions repeat within ranks and across them."""
    random = torch.Generator().manual_seed(seed)

    def draw_ids(count: int) -> Tensor:
        return 1000 + torch.randint(n_ids, (count,), generator=random)

    def draw_clips(count: int) -> Tensor:
        return torch.randint(n_clips, (count,), generator=random)

    text_ids = draw_ids(n_texts)
    labels = FrameLabels(
        draw_clips(entries),
        draw_ids(entries),
        torch.rand(entries, T, generator=random) < 0.5,
        draw_clips(unsure),
        draw_ids(unsure),
        torch.rand(n_clips, generator=random) >= masked,
    )
    return Part(
        torch.randn(n_clips, T, D_IN, generator=random),
        text_ids[torch.randint(n_texts, (n_clips,), generator=random)],
        torch.randn(n_texts, D_IN, generator=random),
        text_ids,
        torch.rand(n_texts, generator=random) >= masked,
        labels,
    )


def cases(size: int) -> dict[str, list[Part]]:
    """The parts of all ranks, by the name of the case."""
    many, few = 1000, 5
    return {
        "plain": [draw_part(r, 3, 5, many, 0.0) for r in range(size)],
        "uneven numbers and masks": [draw_part(10 + r, 1 + r % 3, 2 + 3 * (r % 2), 12, 0.3) for r in range(size)],
        "a fully masked rank": [draw_part(20 + r, 2, 4, 12, 1.0 if r == size - 1 else 0.0) for r in range(size)],
        "all ranks masked": [draw_part(30 + r, 2, 4, 12, 1.0) for r in range(size)],
        "repeated captions": [draw_part(40 + r, 3, 4, few, 0.2) for r in range(size)],
        "one text, one clip": [draw_part(50 + r, 1, 1, 12, 0.0) for r in range(size)],
        "one caption everywhere": [draw_part(60 + r, 2, 2, 1, 0.0) for r in range(size)],
        "unsure pairs": [draw_part(70 + r, 3, 4, few, 0.1, unsure=5) for r in range(size)],
        "no entries": [draw_part(80 + r, 2, 3, 12, 0.0, entries=0) for r in range(size)],
    }


def ring_loss(name: str, part: Part, towers: Towers, group: dist.ProcessGroup | None = None) -> Tensor:
    frames, clips, texts = towers(part)
    theta, valid = towers.log_temperature_inverse, part.labels.clip_valid
    if name == "frame":
        return ring_framewise_loss(frames, part.labels, texts, group)
    if name == "frame, unsure":
        return ring_framewise_loss(frames, part.labels, texts, group, unsure_weight=0.25)
    if name == "prior":
        return ring_prior_loss(part.labels, texts, T, group)
    if name == "clip":
        return ring_infonce_loss(clips, part.captions, texts, theta, group, valid)
    if name == "clip, hard":
        return ring_infonce_loss(clips, part.captions, texts, theta, group, valid, hardness=0.15)
    if name == "clip, pooled":
        return ring_infonce_loss(frames, part.captions, texts, theta, group, valid, 0.0, pooled_similarity)
    return ring_sigmoid_loss(clips, part.captions, texts, theta, towers.clip_bias, group, valid)


def one_process_losses(parts: list[Part], towers: Towers) -> dict[str, Tensor]:
    """The simple losses on the whole batch, its labels filled in pair by pair."""
    outputs = [towers(part) for part in parts]
    frames, clips = torch.cat([o[0] for o in outputs]), torch.cat([o[1] for o in outputs])
    texts = TextShard(*(torch.cat([o[2][i] for o in outputs]) for i in range(5)))
    captions = torch.cat([part.captions for part in parts])
    clip_valid = torch.cat([part.labels.clip_valid for part in parts])
    counted = clip_valid[:, None] & texts.valid
    positives = (captions[:, None] == texts.text_ids) & counted

    labels = torch.zeros(len(frames), T, len(texts.text_ids), dtype=torch.bool)
    unsure = torch.zeros_like(counted)
    first = 0
    for part in parts:
        for clip, text_id, active in zip(*part.labels[:3], strict=True):
            for k, other_id in enumerate(texts.text_ids.tolist()):
                if other_id == text_id:
                    labels[first + clip, :, k] |= active
        for clip, text_id in zip(*part.labels[3:5], strict=True):
            for k, other_id in enumerate(texts.text_ids.tolist()):
                if other_id == text_id:
                    unsure[first + clip, k] = True
        first += len(part.clips)

    features, scale, bias = texts.text_features, texts.logit_scale, texts.logit_bias
    sure, weights = (counted & ~unsure)[:, None], (counted * torch.where(unsure, 0.25, 1.0))[:, None]
    theta = towers.log_temperature_inverse
    return {
        "frame": framewise_loss(frames, features, scale, bias, labels, sure),
        "frame, unsure": framewise_loss(frames, features, scale, bias, labels, weights),
        "prior": prior_loss(bias, labels, sure),
        "clip": infonce_loss(clips, features, theta, positives, counted),
        "clip, hard": infonce_loss(clips, features, theta, positives, counted, hardness=0.15),
        "clip, pooled": infonce_loss(frames, features, theta, positives, counted, similarity=pooled_similarity),
        "sigmoid": sigmoid_loss(clips, features, theta, towers.clip_bias, positives, counted),
    }


def gradients(loss: Tensor, towers: Towers) -> dict[str, Tensor]:
    towers.zero_grad(set_to_none=True)
    loss.backward(retain_graph=True)
    return {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in towers.named_parameters()}


def compare(rank: int, parts: list[Part], towers: Towers, case: str) -> None:
    """Losses, and gradients as DistributedDataParallel averages them, equal those of the whole batch."""
    reference = copy.deepcopy(towers)
    expected = one_process_losses(parts, reference)
    for name, slow in expected.items():
        parallel = DistributedDataParallel(RingLoss(copy.deepcopy(towers), name), find_unused_parameters=True)
        loss = parallel(parts[rank])
        everywhere = [torch.empty_like(loss) for _ in parts]
        dist.all_gather(everywhere, loss.detach())
        assert len({value.item() for value in everywhere}) == 1, f"{case}, {name}: ranks differ, {everywhere}"
        ours = {"loss": loss, **gradients(loss, parallel.module.towers)}
        theirs = {"loss": slow, **gradients(slow, reference)}
        tolerance = 1e-5 if loss.dtype == torch.float32 else 1e-11
        for of, value in theirs.items():
            error = (ours[of] - value).abs().max().item()
            assert error <= tolerance * max(1.0, value.abs().max().item()), f"{case}, {name}, {of}: off by {error}"


def compare_groups(rank: int, size: int, towers: Towers) -> None:
    """Two rings beside each other don't meet."""
    halves = [list(range(0, size, 2)), list(range(1, size, 2))]
    groups = [dist.new_group(half) for half in halves]
    parts, mine = cases(size)["unsure pairs"], rank % 2
    for name, slow in one_process_losses([parts[r] for r in halves[mine]], towers).items():
        torch.testing.assert_close(ring_loss(name, parts[rank], towers, groups[mine]), slow, rtol=1e-5, atol=1e-5)


def check_rank(rank: int, size: int, rendezvous: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=size, timeout=timedelta(seconds=60))
    torch.manual_seed(0)
    towers = Towers()
    for case, parts in cases(size).items():
        compare(rank, parts, towers, case)
    double = copy.deepcopy(towers).double()
    for part in (parts := cases(size)["repeated captions"]):
        part.clips, part.texts = part.clips.double(), part.texts.double()
    compare(rank, parts, double, "repeated captions in double precision")
    if size % 2 == 0:
        compare_groups(rank, size, towers)
    dist.destroy_process_group()


def main() -> None:
    for size in map(int, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder:
            rendezvous = f"file://{Path(folder).resolve()}/rendezvous"
            # forked, so that torch is imported once
            torch.multiprocessing.start_processes(check_rank, (size, rendezvous), nprocs=size, start_method="fork")
        print(f"{size} ranks equal one process: {'; '.join(cases(size))}")


if __name__ == "__main__":
    main()
