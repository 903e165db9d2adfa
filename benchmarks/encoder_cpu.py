"""Speed of the HTS-AT encoder on this machine's CPU, against transformers' CLAP encoder with random weights.

    python benchmarks/encoder_cpu.py --size base --threads 2

All ways are run in turn, over and over, and compared by the ratio of their medians, so that a busy machine slows all of
them alike. transformers' encoder is given the log-mel; ours is timed from the log-mel and from the waveform.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable

import onnxruntime
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from transformers import ClapAudioConfig, ClapAudioModel

from flam.model.checkpoint import save_checkpoint
from flam.model.export import export_onnx
from flam.model.flam import FLAM, FLAMConfig
from flam.model.htsat import HTSAT, HTSAT_CONFIGS
from flam.model.text import LightTextConfig


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
    graph = onnx_session(plain, arguments.threads)
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
        "HTSAT in bf16, from log-mel": lambda: in_bf16(plain, logmel_db),
        "ONNX Runtime, from log-mel": lambda: graph.run(None, {"logmel": logmel_db.numpy()}),
    }
    with torch.inference_mode():
        medians = median_ms(ways, arguments.rounds)
        expected = plain.encode_logmel(logmel_db)
        found = torch.from_numpy(graph.run(None, {"logmel": logmel_db.numpy()})[0])

    title = f"{arguments.size}, {arguments.clips} x 10 s, {arguments.threads} threads, torch {torch.__version__}"
    table = Table("way", "ms", "times the reference's speed", title=title)
    for name, value in medians.items():
        table.add_row(name, f"{value:.1f}", f"{medians[reference] / value:.2f}")
    console = Console()
    console.print(table)
    console.print(f"largest difference of ONNX Runtime from HTSAT: {(found - expected).abs().max():.1e}")


def in_bf16(encoder: HTSAT, logmel_db: Tensor) -> Tensor:
    """Under autocast; slow on processors that emulate bf16."""
    with torch.autocast("cpu", torch.bfloat16):
        return encoder.encode_logmel(logmel_db)


def onnx_session(encoder: HTSAT, threads: int) -> onnxruntime.InferenceSession:
    """The encoder of a model that was exported, as detection uses it."""
    text = LightTextConfig(vocab_size=10)
    with tempfile.TemporaryDirectory() as folder:
        model = FLAM(FLAMConfig(audio=encoder.config, text=text))
        model.audio_encoder.load_state_dict(encoder.state_dict())
        save_checkpoint(model, folder)
        export_onnx(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        return onnxruntime.InferenceSession(os.path.join(folder, "audio.onnx"), options)


if __name__ == "__main__":
    main()
