"""Twenty steps have the losses that they had in the loops which this trainer replaced: seeds, data order and all.

The numbers were written by those loops. On the processor that wrote them the losses are equal to 1e-6; others round
differently, and what they round grows with the steps.
"""

import json
from pathlib import Path

import pytest
import torch
import yaml
from tokenizers import Tokenizer

from flam.core import from_mapping
from flam.hub.hub import resolve
from flam.model.flam import FLAM, FLAMConfig
from flam.training import trainer
from flam.training.finetune.examples import text_embeddings
from flam.training.finetune.run import FinetuneConfig, learn
from flam.training.tasks.finetune import Examples

pytestmark = pytest.mark.usefixtures("exported")

GOLDEN = Path(__file__).parent / "golden"
MGA_CLAP = ("model={kind: mga_clap, n_codewords: 64}", "losses={clip: 1.0}", "data.caption_clips=8")


@pytest.fixture
def seen(monkeypatch):
    """The losses of each step that is taken."""
    steps, whole = [], trainer.accumulate_gradients

    def spy(*arguments, **options):
        losses = whole(*arguments, **options)
        steps.append({name: value.item() for name, value in losses.items()})
        return losses

    monkeypatch.setattr(trainer, "accumulate_gradients", spy)
    return steps


def assert_golden(name, steps):
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    assert len(steps) == len(golden) == 20
    for ours, theirs in zip(steps, golden, strict=True):
        theirs.pop("gradient_norm", None)
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("name", "changes"), [("flam", ()), ("mga_clap", MGA_CLAP)])
@pytest.mark.slow
def test_clips_and_captions(name, changes, tiny_settings, tmp_path, seen):
    settings = {**tiny_settings, "record": {"log_every": 20, "validate_every": 20, "validation_batches": 1}}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    trainer.train(tmp_path / "tiny.yaml", tmp_path / "run", ("optim.steps=20", *changes))
    assert_golden(name, seen)


def test_new_words(tiny_settings, tmp_path, seen):
    torch.manual_seed(0)
    sizes = {**tiny_settings["model"], "joint_dim": 32, "hidden_dim": 64}
    tokenizer = Tokenizer.from_file(str(resolve("flam-mini") / "tokenizer.json"))
    model = FLAM(from_mapping(FLAMConfig, sizes), tokenizer).eval()
    random = torch.Generator().manual_seed(1)
    features = torch.nn.functional.normalize(torch.randn(34, 16, 32, generator=random), dim=-1).half()
    labels = torch.rand(34, 16, 2, generator=random) > 0.8
    valid = torch.ones(34, 16, dtype=torch.bool)
    valid[3, 10:] = False
    config = FinetuneConfig(n_anchors=700, epochs=4, batch_size=8, lr=5e-3)  # 5 steps an epoch
    texts = text_embeddings(
        model, ("grum vik", "zorblat"), ("door slam", "rain", "telephone"), config.n_anchors, config.seed
    )
    assert learn(model, Examples(features, labels, valid), texts, config, tmp_path) == 4
    assert_golden("finetune", seen)
