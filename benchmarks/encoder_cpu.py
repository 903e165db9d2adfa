"""Speed of the HTS-AT encoder on this machine's CPU, against transformers' CLAP encoder with random weights.

    python benchmarks/encoder_cpu.py --size base --threads 2

All ways are run in turn, over and over, and compared by the ratio of their medians, so that a busy machine slows all of
them alike. transformers' encoder is given the log-mel; ours is timed from the log-mel and from the waveform.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from transformers import ClapAudioConfig, ClapAudioModel

from flam.model.fast_htsat import fast_htsat
from flam.model.htsat import HTSAT, HTSAT_CONFIGS


def median_ms(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median time of each way in milliseconds, over ``rounds`` rounds after one to warm up."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_index in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if round_index > 0:
                times[name].append(1000.0 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["tiny", "base", "large"], default="base")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--clips", type=int, default=1, help="clips of 10 s in a batch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    config = HTSAT_CONFIGS[arguments.size]
    plain = HTSAT(config).eval()
    fp32, bf16 = fast_htsat(plain, "fp32"), fast_htsat(plain, "bf16")
    clap = ClapAudioModel(
        ClapAudioConfig(
            depths=list(config.depths),
            num_attention_heads=list(config.heads),
            patch_embeds_hidden_size=config.embed_dim,
            hidden_size=plain.embed_dim,
        )
    ).eval()
    waveform = 0.1 * torch.randn(arguments.clips, plain.window_samples)
    logmel_db: Tensor = plain.logmel(waveform)

    reference = "transformers CLAP, from log-mel"
    ways: dict[str, Callable[[], object]] = {
        reference: lambda: clap(input_features=logmel_db[:, None]),
        "HTSAT, from log-mel": lambda: plain.encode_logmel(logmel_db),
        "fast_htsat fp32, from log-mel": lambda: fp32.encode_logmel(logmel_db),
        "fast_htsat fp32, from waveform": lambda: fp32(waveform),
        "fast_htsat bf16, from log-mel": lambda: bf16.encode_logmel(logmel_db),
        "fast_htsat bf16, from waveform": lambda: bf16(waveform),
    }
    with torch.inference_mode():
        medians = median_ms(ways, arguments.rounds)
        expected = plain(waveform)
        errors = {
            precision: (fast(waveform) - expected).abs().max() for precision, fast in (("fp32", fp32), ("bf16", bf16))
        }

    title = f"{arguments.size}, {arguments.clips} x 10 s, {arguments.threads} threads, torch {torch.__version__}"
    table = Table("way", "ms", "times the reference's speed", title=title)
    for name, value in medians.items():
        table.add_row(name, f"{value:.1f}", f"{medians[reference] / value:.2f}")
    console = Console()
    console.print(table)
    console.print(f"largest difference from HTSAT: fp32 {errors['fp32']:.1e}, bf16 {errors['bf16']:.1e}")


if __name__ == "__main__":
    main()
