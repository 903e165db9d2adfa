"""Gradients of a batch in pieces are those of the whole, and those of the obvious way where layers are random."""

import contextlib
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from flam.training.accumulation import accumulate_gradients, join
from flam.training.embedding import Inputs, cut

pytestmark = pytest.mark.usefixtures("exported")


class Pair(NamedTuple):
    audio: Tensor
    text: Tensor
    temperature: Tensor


class TwoTowers(nn.Module):
    def __init__(self, dropout=0.0, has_norm=False):
        super().__init__()
        torch.manual_seed(3)
        norm = [nn.BatchNorm1d(5)] if has_norm else []
        self.audio = nn.Sequential(nn.Linear(6, 5), *norm, nn.Tanh(), nn.Dropout(dropout), nn.Linear(5, 4))
        self.text = nn.Embedding(10, 4)
        self.temperature = nn.Parameter(torch.tensor(0.7))

    def forward(self, inputs):
        text = self.text(torch.tensor([int(text) for text in inputs.texts], dtype=torch.long))
        return Pair(self.audio(inputs.waveform), text, self.temperature * 1.0)


def losses(features):
    logits = features.temperature.exp() * features.audio @ features.text.T
    return {"clip_loss": nn.functional.cross_entropy(logits, torch.arange(len(logits))), "spread_loss": logits.std()}


def total(parts):
    return parts["clip_loss"] + 0.3 * parts["spread_loss"]


@pytest.fixture
def inputs():
    torch.manual_seed(4)
    return Inputs(torch.randn(7, 6), [str(row) for row in range(9)])


def gradients(model):
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def accumulated(model, pieces):
    parts = accumulate_gradients(model, pieces, losses, total, seed=5, without_sync=contextlib.nullcontext)
    return gradients(model), parts


def assert_equal(found, expected):
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.parametrize("n_pieces", [1, 2, 3, 7])
def test_pieces_give_the_gradient_of_the_whole(inputs, n_pieces):
    whole = TwoTowers()
    expected_parts = losses(whole(inputs))
    total(expected_parts).backward()
    found, parts = accumulated(TwoTowers(), cut(inputs, n_pieces))
    assert_equal(found, gradients(whole))
    assert parts.keys() == expected_parts.keys()
    for name, value in expected_parts.items():
        torch.testing.assert_close(parts[name], value)


def test_with_random_layers_and_batch_norms_it_is_the_gradient_of_the_pieces_put_together(inputs):
    pieces = cut(inputs, 3)
    obvious = TwoTowers(dropout=0.5, has_norm=True)
    outputs = []
    for index, piece in enumerate(pieces):  # all graphs are kept, as small memory would not allow
        torch.manual_seed(5 + index)
        outputs.append(obvious(piece))
    total(losses(join(outputs))).backward()
    model = TwoTowers(dropout=0.5, has_norm=True)
    found, _ = accumulated(model, pieces)
    assert_equal(found, gradients(obvious))
    # running statistics have moved once, not twice
    for value, expected in zip(model.buffers(), obvious.buffers(), strict=True):
        assert torch.equal(value, expected)


def test_frozen_batch_norms_see_no_pieces(inputs):
    whole, model = TwoTowers(has_norm=True).eval(), TwoTowers(has_norm=True).eval()
    total(losses(whole(inputs))).backward()
    assert_equal(accumulated(model, cut(inputs, 4))[0], gradients(whole))


def test_a_feature_without_a_loss_has_a_gradient_of_zero(inputs):
    model = TwoTowers()
    accumulate_gradients(
        model, [inputs], lambda f: {"audio_loss": f.audio.sum()}, lambda p: p["audio_loss"], 0, contextlib.nullcontext
    )
    assert torch.equal(model.text.weight.grad, torch.zeros_like(model.text.weight))
    assert model.temperature.grad == 0


@pytest.mark.parametrize("n_pieces", [1, 3])
def test_a_feature_that_is_a_constant_leaves_the_gradient_of_the_others(inputs, n_pieces):
    frozen, model = TwoTowers(), TwoTowers()
    for each in (frozen, model):
        each.text.requires_grad_(False)
    total(losses(frozen(inputs))).backward()
    accumulate_gradients(model, cut(inputs, n_pieces), losses, total, 5, contextlib.nullcontext)
    assert model.text.weight.grad is None
    assert_equal(*({name: p.grad for name, p in m.named_parameters() if p.requires_grad} for m in (model, frozen)))
