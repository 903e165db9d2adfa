"""New words raise as few false alarms as known ones."""

import numpy as np
import torch

from flam.core import to_mapping
from flam.detection.config import DetectionConfig, PromptSettings
from flam.model.checkpoint import load_checkpoint
from flam.model.flam import score
from flam.training.finetune.comparison import with_thresholds
from flam.training.tasks.finetune import Examples

TEXTS = ("zorblat", "rain", "siren", "door slam")


def test_new_words_raise_as_many_false_alarms_as_known_ones(parent):
    model = load_checkpoint(parent).model
    generator = torch.Generator().manual_seed(0)
    features = torch.nn.functional.normalize(torch.randn(20, 50, 32, generator=generator), dim=-1).half()
    labels = torch.rand(20, 50, 4, generator=generator) < 0.2
    examples = Examples(features, labels, torch.ones(20, 50, dtype=torch.bool))
    scores = score(features.float(), model.embed_text(TEXTS), "posterior").detach().numpy().reshape(-1, 4)
    absent = ~labels.numpy().reshape(-1, 4)
    usual = float(np.quantile(scores[:, 1:], 0.9))
    before = DetectionConfig(score="posterior", threshold=usual, prompts={"zorblat": PromptSettings(median_s=0.5)})
    after = with_thresholds(model, before, examples, TEXTS, 1)
    rates = [(scores[absent[:, k], k] >= usual).mean() for k in (1, 2, 3)]
    own = (scores[absent[:, 0], 0] >= after.rule("zorblat").threshold).mean()
    assert own <= np.median(rates) + 0.01
    assert after.rule("zorblat").median_s == 0.5
    assert {**to_mapping(after), "prompts": {}} == {**to_mapping(before), "prompts": {}}
