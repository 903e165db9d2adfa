"""Whether a model can learn fifty scenes by heart: a trainer that has a fault anywhere does not reach 0.99.

    python benchmarks/overfit.py

Trains a small model on the same scenes of made sounds again and again, with the trainer's own step, and prints the frame
AUROC on them (macro over their texts, every text on every scene) until it passes 0.99.
"""

from __future__ import annotations

import argparse
import contextlib
import time

import torch
from rich.console import Console

from flam.core import from_mapping
from flam.data.config import DataConfig
from flam.data.training_data import TrainingData
from flam.model.convnet import ConvEncoderConfig
from flam.model.flam import FLAM, FLAMConfig
from flam.model.text import LightTextConfig
from flam.training.accumulation import accumulate_gradients
from flam.training.distribution import clip_gradients
from flam.training.embedder import Embedder
from flam.training.methods import weighted_sum
from flam.training.optimiser import OptimConfig, make_optimiser, set_learning_rate
from flam.training.start import read_tokenizer
from flam.training.step import Batch, flam_losses, inputs_of
from flam.training.validation import held_out_figures

LABELS = ["bicycle bell", "door slam", "glass breaking", "knocking", "siren", "telephone ringing"]
GOAL = 0.99


def main() -> None:
    """Train, and print how well the scenes are known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=50)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--clip-s", type=float, default=2.56)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    audio = ConvEncoderConfig(
        stem_width=16, widths=(32, 48, 64), strides=((2, 2), (2, 2), (1, 2)), embed_dim=128, window_s=arguments.clip_s
    )
    text = LightTextConfig(embed_dim=64, mlp_dim=128)
    model = FLAM(FLAMConfig(audio=audio, text=text, joint_dim=64, hidden_dim=128), read_tokenizer("flam-mini"))
    scene = {"background_share": 0.0, "n_events": {"integers": [1, 2]}}
    data = {
        "frames": [{"scenes": {"procedural": {"n_takes": 4, "labels": LABELS}, "scene": scene}}],
        "frame_clips": arguments.scenes,
        "clip_s": arguments.clip_s,
        "name_share": 1.0,
    }
    scenes = TrainingData(from_mapping(DataConfig, data), model.grid).frames(step=0)
    batch, embedder = Batch(None, scenes), Embedder(model)
    optim = OptimConfig(lr=3e-3, steps=arguments.steps, warmup_steps=20)
    optimiser = make_optimiser(model, optim)
    console, begun = Console(), time.process_time()
    for step in range(arguments.steps):
        set_learning_rate(optimiser, step, optim)
        optimiser.zero_grad()
        losses = accumulate_gradients(
            embedder.train(),
            [inputs_of(batch)],
            lambda features: flam_losses(features, batch, frozenset({"frame", "prior"})),
            lambda parts: weighted_sum(parts, {"frame": 200.0, "prior": 1.0}),
            seed=step,
            without_sync=contextlib.nullcontext,
        )
        clip_gradients(embedder, 1.0)
        optimiser.step()
        if (step + 1) % 20 == 0:
            auroc = held_out_figures(embedder.eval(), [scenes])["validation_frame_auroc"]
            console.print(
                f"step {step + 1}: frame loss {losses['frame_loss'].item():.4f}, frame AUROC {auroc:.4f}, "
                f"{time.process_time() - begun:.0f} s of CPU"
            )
            if auroc > GOAL:
                return
    raise SystemExit(f"after {arguments.steps} steps the frame AUROC is {auroc:.4f}, which is not above {GOAL}")


if __name__ == "__main__":
    main()
