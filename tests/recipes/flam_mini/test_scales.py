"""Scales of texts, brought closer together."""

from __future__ import annotations

import pytest
import torch

from flam.hub.hub import resolve
from flam.model.checkpoint import load_checkpoint
from recipes.flam_mini.scales import narrow_scales

TEXTS = ["rain", "siren", "dog barking", "engine"]


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_scales_move_towards_their_geometric_mean_and_nothing_else_does(share):
    model = load_checkpoint(resolve("flam-mini")).model.eval()
    with torch.no_grad():
        before = model.embed_text(TEXTS)
        mean = narrow_scales(model, TEXTS, share)
        after = model.embed_text(TEXTS)
    wanted = before.logit_scale ** (1 - share) * before.logit_scale.log().mean().exp() ** share
    assert mean == pytest.approx(float(before.logit_scale.log().mean().exp()))
    torch.testing.assert_close(after.logit_scale, wanted, rtol=1e-4, atol=0)
    assert torch.equal(after.text_features, before.text_features)
    assert torch.equal(after.logit_bias, before.logit_bias)
