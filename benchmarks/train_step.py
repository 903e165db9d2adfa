"""Time of a training step on this machine's CPU: ours in bf16, ours in fp32, and transformers' ClapModel in fp32.

    python benchmarks/train_step.py --size base --clips 4 --threads 2

Forward and backward of both towers with random weights, on the same clips and texts, through the same InfoNCE loss.
All ways are run in turn, over and over, and compared by the ratio of their medians, by the clock and by the time that
the processor spent on them: on a busy machine, one thread and the second say more. ClapModel is given the log-mel; ours
begins at the waveform.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional
from transformers import ClapConfig, ClapModel

from flam.losses import infonce_loss
from flam.model.flam import FLAM, FLAMConfig
from flam.model.htsat import HTSAT_CONFIGS
from flam.model.text import TextTokens

TOKENS = 16


def median_s(ways: dict[str, Callable[[], Tensor]], rounds: int) -> dict[str, tuple[float, float]]:
    """Seconds by the clock and of the processor for forward and backward of each way, after one round to warm up."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for round_index in range(rounds + 1):
        for name, way in ways.items():
            start, spent = time.perf_counter(), time.process_time()
            way().backward()
            if round_index > 0:
                times[name].append((time.perf_counter() - start, time.process_time() - spent))
    return {
        name: (median(clock for clock, _ in pairs), median(cpu for _, cpu in pairs)) for name, pairs in times.items()
    }


def main() -> None:
    """Measure and print a table."""
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

    def step(precision: str) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            frames, texts = ours.audio_encoder(waveform), ours.text_encoder(tokens)
        heard, said = ours.project_audio(frames.float()), ours.project_text(texts.float())
        return infonce_loss(heard.audio_features, said.text_features, ours.log_temperature_inverse, pairs)

    def reference() -> Tensor:
        output = clap(input_ids=tokens.ids, attention_mask=tokens.mask.long(), input_features=logmel_db[:, None])
        features = (functional.normalize(value, dim=-1) for value in (output.audio_embeds, output.text_embeds))
        return infonce_loss(*features, clap.logit_scale_a, pairs)

    name = "transformers ClapModel, fp32"
    ways: dict[str, Callable[[], Tensor]] = {
        name: reference,
        "FLAM, fp32": lambda: step("fp32"),
        "FLAM, bf16": lambda: step("bf16"),
    }
    medians = median_s(ways, arguments.rounds)
    title = f"{arguments.size}, {n_clips} x 10 s, {arguments.threads} threads, torch {torch.__version__}"
    table = Table("way", "s by the clock", "speed", "s of CPU", "speed", title=title)
    for way, (clock, cpu) in medians.items():
        speeds = (f"{medians[name][0] / clock:.2f} x", f"{medians[name][1] / cpu:.2f} x")
        table.add_row(way, f"{clock:.2f}", speeds[0], f"{cpu:.2f}", speeds[1])
    console = Console()
    console.print(table)
    console.print(f"load of the machine after the run: {os.getloadavg()[0]:.1f} processes")


if __name__ == "__main__":
    main()
