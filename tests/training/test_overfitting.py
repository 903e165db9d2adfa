"""What can be learnt is learnt: fifty small scenes by heart. A trainer with a fault anywhere does not get there."""

import contextlib

import pytest
import torch

from flam.core import from_mapping
from flam.data.config import DataConfig
from flam.data.training_data import TrainingData
from flam.model.convnet import ConvEncoderConfig
from flam.model.flam import FLAM, FLAMConfig
from flam.model.text import LightTextConfig
from flam.training.accumulation import accumulate_gradients
from flam.training.distribution import clip_gradients
from flam.training.embedding import Embedder
from flam.training.optimization import OptimConfig, Stage, make_optimizer, set_learning_rate, weighted_sum
from flam.training.start import read_tokenizer
from flam.training.task import task_class
from flam.training.tasks.flam import FlamBatch, FlamStep, inputs_of, step_parts
from flam.training.validation import held_out_figures

LABELS = ["bicycle bell", "door slam", "glass breaking", "door knock", "telephone"]
OPTIM = OptimConfig(lr=3e-3, steps=50, warmup_steps=10)


def fifty_scenes(grid):
    scenes = {
        "procedural": {"n_takes": 4, "labels": LABELS},
        "scene": {"background_share": 0.0, "n_events": {"integers": [1, 2]}, "max_event_s": 0.6},
    }
    data = {"frames": [{"scenes": scenes}], "frame_clips": 50, "clip_s": 1.28, "name_share": 1.0}
    return TrainingData(from_mapping(DataConfig, data), grid).frames(step=0)


@pytest.mark.slow
def test_fifty_scenes_are_learnt_by_heart():
    torch.manual_seed(0)
    audio = ConvEncoderConfig(
        stem_width=12, widths=(24, 32, 48), strides=((2, 2), (2, 2), (1, 2)), embed_dim=96, window_s=1.28
    )
    config = FLAMConfig(audio=audio, text=LightTextConfig(embed_dim=32, mlp_dim=64), joint_dim=64, hidden_dim=96)
    model = FLAM(config, read_tokenizer("flam-mini"))
    scenes = fifty_scenes(model.grid)
    batch, embedder = FlamBatch(None, scenes), Embedder(model)
    optimizer = make_optimizer(embedder, OPTIM)
    assert held_out_figures(embedder.eval(), [scenes])["validation_frame_auroc"] < 0.8
    stages = (Stage("whole", OPTIM.steps, OPTIM.lr),)
    known = task_class("flam").known_losses()

    def losses(features):
        step = FlamStep(features, *step_parts(features, batch, n_pieces=1))
        return {f"{name}_loss": known[name].function(step) for name in ("frame", "prior")}

    for step in range(OPTIM.steps):
        set_learning_rate(optimizer, stages, step, OPTIM)
        optimizer.zero_grad()
        accumulate_gradients(
            embedder.train(),
            [inputs_of(batch)],
            losses,
            lambda parts: weighted_sum(parts, {"frame": 200.0, "prior": 1.0}),
            seed=step,
            without_sync=contextlib.nullcontext,
        )
        clip_gradients(embedder, 1.0)
        optimizer.step()
    figures = held_out_figures(embedder.eval(), [scenes])
    assert figures["validation_texts"] == len(LABELS)
    assert figures["validation_frame_auroc"] > 0.99
