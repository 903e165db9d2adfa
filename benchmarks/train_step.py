"""Time of a training step on this machine's CPU: ours in bf16, ours in fp32, and transformers' ClapModel in fp32.

    OMP_WAIT_POLICY=passive python benchmarks/train_step.py --size base --clips 4 --threads 2

Forward and backward of both towers with random weights, on the same clips and texts, through the same InfoNCE loss.
All ways are run in turn, over and over, and compared round by round, by the clock and by the time that the processor
spent on them: on a busy machine, one thread and the second say more, and threads should not spin while they wait, which
counts as time spent. ClapModel is given the log-mel; ours begins at the waveform.

Two more tables tell where the time goes. The first shows the parts of our step in bf16. The second shows what the
processor can do: how fast matrix products alone are, and how much faster than ClapModel a step would be that did
nothing else than its matrix products.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from statistics import median
from typing import cast

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from transformers import ClapConfig, ClapModel

from flam.losses import infonce_loss
from flam.model.flam import FLAM, FLAMConfig
from flam.model.htsat import HTSAT_CONFIGS, SpectrogramEncoder
from flam.model.text import TextTokens

TOKENS = 16
PRODUCT = (1024, 512, 2048)  # tokens, channels, channels: the third stage of HTS-AT base on four clips
REFERENCE = "transformers ClapModel, fp32"
OURS = "FLAM, bf16"


def run_in_turn(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds by the clock and of the processor of each way in each round, after one round to warm up."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for round_index in range(rounds + 1):
        for name, way in ways.items():
            start, spent = time.perf_counter(), time.process_time()
            way()
            if round_index > 0:
                times[name].append((time.perf_counter() - start, time.process_time() - spent))
    return times


def our_loss(model: FLAM, frames: Tensor, texts: Tensor, pairs: Tensor) -> Tensor:
    """InfoNCE of what the towers give."""
    heard, said = model.project_audio(frames.float()), model.project_text(texts.float())
    return infonce_loss(heard.audio_features, said.text_features, model.log_temperature_inverse, pairs)


def time_parts(model: FLAM, waveform: Tensor, tokens: TextTokens, pairs: Tensor) -> dict[str, tuple[float, float]]:
    """Seconds of the processor for forward and backward of each part of one step in bf16."""
    spent: dict[str, tuple[float, float]] = {}

    def forward(part: str, work: Callable[[], Tensor]) -> Tensor:
        start = time.process_time()
        result = work()
        spent[part] = (time.process_time() - start, 0.0)
        return result

    def backward(part: str, result: Tensor, gradient: Tensor | None = None) -> None:
        start = time.process_time()
        result.backward(gradient)
        spent[part] = (spent[part][0], time.process_time() - start)

    model.zero_grad(set_to_none=True)
    audio = cast(SpectrogramEncoder, model.audio_encoder)
    names = ("log-mel and image", "audio transformer", "text tower", "projections and loss")
    with torch.autocast("cpu", torch.bfloat16):
        image = forward(names[0], lambda: audio.image(audio.logmel(waveform)))
        image_seen = image.detach().requires_grad_()
        frames = forward(names[1], lambda: audio.frames(*audio.transform(image_seen)))
        texts = forward(names[2], lambda: model.text_encoder(tokens))
    frames_seen, texts_seen = frames.detach().requires_grad_(), texts.detach().requires_grad_()
    loss = forward(names[3], lambda: our_loss(model, frames_seen, texts_seen, pairs))
    backward(names[3], loss)
    backward(names[2], texts, texts_seen.grad)
    backward(names[1], frames, frames_seen.grad)
    backward(names[0], image, image_seen.grad)
    return spent


def product_rate(dtype: torch.dtype, rounds: int) -> float:
    """Floating-point operations that one second of the processor does in a product of matrices."""
    n_rows, n_in, n_out = PRODUCT
    left, right = torch.randn(n_rows, n_in, dtype=dtype), torch.randn(n_out, n_in, dtype=dtype)
    times = []
    for _ in range(10 * rounds):
        start = time.process_time()
        functional.linear(left, right)
        times.append(time.process_time() - start)
    return 2 * n_rows * n_in * n_out / median(times)


def spread(ratios: list[float]) -> str:
    """Median and extremes."""
    return f"{median(ratios):.2f} x ({min(ratios):.2f} to {max(ratios):.2f})"


def main() -> None:
    """Measure and print three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["tiny", "base"], default="base")
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    audio = HTSAT_CONFIGS[arguments.size]
    ours = FLAM(FLAMConfig(audio=audio)).train()
    clap = ClapModel(
        ClapConfig(
            audio_config={
                "depths": list(audio.depths),
                "num_attention_heads": list(audio.heads),
                "patch_embeds_hidden_size": audio.embed_dim,
                "hidden_size": ours.audio_encoder.embed_dim,
            },
        )
    ).train()
    n_clips = arguments.clips
    waveform = 0.1 * torch.randn(n_clips, ours.audio_encoder.window_samples)
    logmel_db = ours.audio_encoder.logmel(waveform)
    tokens = TextTokens(torch.randint(10, 50_000, (n_clips, TOKENS)), torch.ones(n_clips, TOKENS, dtype=torch.bool))
    pairs = torch.eye(n_clips, dtype=torch.bool)

    def step(precision: str) -> None:
        ours.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            frames, texts = ours.audio_encoder(waveform), ours.text_encoder(tokens)
        our_loss(ours, frames, texts, pairs).backward()

    def reference() -> None:
        clap.zero_grad(set_to_none=True)
        output = clap(input_ids=tokens.ids, attention_mask=tokens.mask.long(), input_features=logmel_db[:, None])
        heard, said = (functional.normalize(value, dim=-1) for value in (output.audio_embeds, output.text_embeds))
        infonce_loss(heard, said, clap.logit_scale_a, pairs).backward()

    ways: dict[str, Callable[[], None]] = {
        REFERENCE: reference,
        "FLAM, fp32": lambda: step("fp32"),
        OURS: lambda: step("bf16"),
    }
    times = run_in_turn(ways, arguments.rounds)
    title = f"{arguments.size}, {n_clips} x 10 s, {arguments.threads} threads, torch {torch.__version__}"
    table = Table("way", "s by the clock", "speed", "s of CPU", "speed", title=title)
    for way, measured in times.items():
        row = [way]
        for kind in range(2):
            ratios = [first[kind] / own[kind] for first, own in zip(times[REFERENCE], measured, strict=True)]
            row += [f"{median(seconds[kind] for seconds in measured):.2f}", spread(ratios)]
        table.add_row(*row)

    parts = [time_parts(ours, waveform, tokens, pairs) for _ in range(arguments.rounds)]
    total = sum(sum(seconds) for part in parts for seconds in part.values())
    part_table = Table("part", "forward", "backward", title=f"share of the CPU time of {OURS}")
    for name in parts[0]:
        shares = (sum(part[name][way] for part in parts) / total for way in range(2))
        part_table.add_row(name, *(f"{share:.1%}" for share in shares))

    with FlopCounterMode(display=False) as counter:
        step("bf16")
    rates = {
        name: product_rate(dtype, arguments.rounds)
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
    }
    products_s = counter.get_total_flops() / rates["bf16"]
    reference_s, ours_s = (median(cpu for _, cpu in times[way]) for way in (REFERENCE, OURS))
    limits = Table("what limits the speed", "", title="matrix products, per second of CPU")
    limits.add_row("rate in fp32", f"{rates['fp32'] / 1e9:.0f} GFLOP/s")
    limits.add_row("rate in bf16", f"{rates['bf16'] / 1e9:.0f} GFLOP/s, {rates['bf16'] / rates['fp32']:.2f} x")
    limits.add_row("a step's products", f"{counter.get_total_flops() / 1e9:.0f} GFLOP")
    limits.add_row(f"their share of {OURS}", f"{products_s / ours_s:.0%}")
    limits.add_row("speed of a step of nothing else", f"{reference_s / products_s:.2f} x")

    console = Console(width=120)
    for shown in (table, part_table, limits):
        console.print(shown)
    console.print(f"load of the machine after the run: {os.getloadavg()[0]:.1f} processes")


if __name__ == "__main__":
    main()
