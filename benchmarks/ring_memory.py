"""Memory of a process against the number of processes, at the same batch in each: the ring against gathering all texts.

    python benchmarks/ring_memory.py --plot ring_memory.png

Each process computes frame, prior and instance loss with their gradients, on the CPU, from features made beforehand.
"Memory" is how far its resident memory rises above what it was before (Linux counts it). The two ways take turns in
the same processes; their times compare only with each other, and on fewer cores than processes they say little.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional

from flam.losses import (
    FrameLabels,
    TextShard,
    dense_labels,
    framewise_loss,
    infonce_loss,
    prior_loss,
    ring_framewise_loss,
    ring_infonce_loss,
    ring_prior_loss,
)

T, D = 32, 512
M_MMAP_THRESHOLD = -3  # of malloc.h


def features(*shape: int) -> Tensor:
    return functional.normalize(torch.randn(*shape, D), dim=-1).requires_grad_()


class Batch:
    """The features and labels of one process: B clips, 5 texts each."""

    def __init__(self, rank: int, n_clips: int) -> None:
        n_texts = 5 * n_clips
        self.frames, self.clips, text_features = features(n_clips, T), features(n_clips), features(n_texts)
        self.ids = torch.arange(rank * n_texts, (rank + 1) * n_texts)
        scale, bias = torch.full((n_texts,), 10.0, requires_grad=True), torch.full((n_texts,), -8.0, requires_grad=True)
        self.texts = TextShard(text_features, scale, bias, self.ids, torch.ones(n_texts, dtype=torch.bool))
        none, clip_valid = torch.zeros(0, dtype=torch.int64), torch.ones(n_clips, dtype=torch.bool)
        own_clip = torch.arange(n_clips).repeat_interleave(5)
        self.labels = FrameLabels(own_clip, self.ids, torch.rand(n_texts, T) < 0.2, none, none, clip_valid)
        self.theta = torch.tensor(2.66, requires_grad=True)

    def ring_step(self) -> None:
        loss = 200.0 * ring_framewise_loss(self.frames, self.labels, self.texts)
        loss = loss + ring_prior_loss(self.labels, self.texts, T)
        loss = loss + ring_infonce_loss(self.clips, self.ids[::5], self.texts, self.theta)
        torch.autograd.grad(loss, [self.frames, self.clips, *self.texts[:3], self.theta])

    def gathering_step(self) -> None:
        """The loss of these clips against the texts of all, each a leaf whose gradients are summed at the end."""
        leaves = [gathered(field) for field in (self.clips, *self.texts[:3])]
        clips, text_features, scale, bias = leaves
        ids, captions = gathered(self.ids), gathered(self.ids[::5])
        labels, _ = dense_labels(self.labels, ids, T)
        loss = 200.0 * framewise_loss(self.frames, text_features, scale, bias, labels) + prior_loss(bias, labels)
        loss = loss + infonce_loss(clips, text_features, self.theta, captions[:, None] == ids)
        for gradient in torch.autograd.grad(loss, [*leaves, self.frames, self.theta])[: len(leaves)]:
            dist.all_reduce(gradient)


def gathered(field: Tensor) -> Tensor:
    """The field of all processes, one after the other."""
    everyone = [torch.empty_like(field) for _ in range(dist.get_world_size())]
    dist.all_gather(everyone, field.detach())
    return torch.cat(everyone).requires_grad_(field.requires_grad)


def resident_mib(field: str) -> float:
    """``VmRSS`` (now) or ``VmHWM`` (highest) of this process."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split(f"{field}:")[1].split()[0]) / 1024


def rise_mib(step: Callable[[], None]) -> float:
    """How far resident memory rises in a step."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forget the highest so far
    before = resident_mib("VmRSS")
    step()
    return resident_mib("VmHWM") - before


def measure(rank: int, size: int, n_clips: int, rounds: int, folder: str) -> None:
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1 << 16)  # what is freed goes back to the system at once
    torch.set_num_threads(1)
    torch.manual_seed(rank)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=size)
    small, batch = Batch(rank, 2), Batch(rank, n_clips)
    ways = {"ring": (small.ring_step, batch.ring_step), "gather": (small.gathering_step, batch.gathering_step)}
    rises: dict[str, float] = {}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for name, (warm_up, step) in ways.items():
        warm_up()
        rises[name] = rise_mib(step)
    for _ in range(rounds):
        for name, (_, step) in ways.items():
            dist.barrier()
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)
    figures = torch.tensor([*rises.values(), *(statistics.median(values) for values in times.values())])
    dist.all_reduce(figures, dist.ReduceOp.MAX)
    if rank == 0:
        torch.save(figures.tolist(), f"{folder}/figures.pt")
    dist.destroy_process_group()


def plot(rows: list[list[float]], n_clips: int, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    sizes = range(1, len(rows) + 1)
    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
    axes.plot(sizes, [row[1] for row in rows], "s--", color="tab:gray", label="every process gathers all texts")
    axes.plot(sizes, [row[0] for row in rows], "o-", color="tab:blue", label="ring: texts travel")
    axes.set(xlabel="processes", ylabel="rise of memory of a process (MiB)", ylim=(0, None), xticks=list(sizes))
    axes.set_title(f"Losses and gradients, {n_clips} clips and {5 * n_clips} texts in each process", fontsize=10)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Measure, print a table, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=64, help="clips of each process")
    parser.add_argument("--processes", type=int, default=8, help="the most processes")
    parser.add_argument("--rounds", type=int, default=3, help="steps that are timed")
    parser.add_argument("--plot", type=Path, help="save a picture there")
    arguments = parser.parse_args()

    table = Table("processes", "ring MiB", "gather MiB", "ring's time / gather's", title="highest of all processes")
    rows = []
    for size in range(1, arguments.processes + 1):
        with tempfile.TemporaryDirectory() as folder:
            given = (size, arguments.clips, arguments.rounds, folder)
            torch.multiprocessing.start_processes(measure, given, nprocs=size, start_method="fork")
            ring_mib, gather_mib, ring_s, gather_s = torch.load(f"{folder}/figures.pt")
        rows.append([ring_mib, gather_mib])
        table.add_row(str(size), f"{ring_mib:.0f}", f"{gather_mib:.0f}", f"{ring_s / gather_s:.2f}")
    Console().print(table)
    if arguments.plot is not None:
        plot(rows, arguments.clips, arguments.plot)


if __name__ == "__main__":
    main()
