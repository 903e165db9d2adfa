"""Each loss equals a slow loop over its definition, in value and gradient."""

import math

import pytest
import torch
from torch.nn import functional

from flam.losses import framewise_loss, infonce_loss, prior_loss


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    frames = functional.normalize(torch.randn(3, 4, 8, generator=generator, dtype=torch.float64), dim=-1)
    texts = functional.normalize(torch.randn(5, 8, generator=generator, dtype=torch.float64), dim=-1)
    scale = torch.rand(5, generator=generator, dtype=torch.float64) * 10
    bias = torch.randn(5, generator=generator, dtype=torch.float64)
    labels = torch.rand(3, 4, 5, generator=generator) < 0.3
    valid = torch.rand(3, 1, 5, generator=generator) < 0.7
    return [t.requires_grad_() for t in (frames, texts, scale, bias)], labels, valid


def test_framewise_loss_equals_the_loop_over_equation_4(case):
    (frames, texts, scale, bias), labels, valid = case
    total, count = 0.0, 0
    for b in range(3):
        for t in range(4):
            for k in range(5):
                if valid[b, 0, k]:
                    h = scale[k] * frames[b, t].dot(texts[k]) + bias[k].item()
                    z = 1.0 if labels[b, t, k] else -1.0
                    total = total - torch.log(torch.sigmoid(z * h))
                    count += 1
    slow = total / count
    fast = framewise_loss(frames, texts, scale, bias, labels, valid)
    assert torch.allclose(fast, slow)
    inputs = (frames, texts, scale)
    for ours, theirs in zip(torch.autograd.grad(fast, inputs), torch.autograd.grad(slow, inputs), strict=True):
        assert torch.allclose(ours, theirs)


def test_frame_loss_does_not_train_the_bias(case):
    (frames, texts, scale, bias), labels, valid = case
    loss = framewise_loss(frames, texts, scale, bias, labels, valid)
    assert torch.autograd.grad(loss, bias, allow_unused=True) == (None,)
    assert torch.autograd.grad(framewise_loss(frames, texts, scale, bias, labels), scale)[0].abs().sum() > 0


def test_prior_loss_is_least_at_the_log_odds_of_the_rate(case):
    (_, _, _, bias), labels, valid = case
    weights = valid.expand_as(labels)
    rate = (labels & weights).sum((0, 1)).double() / weights.sum((0, 1)).clamp(min=1)
    seen = (weights.sum((0, 1)) > 0) & (rate > 0) & (rate < 1)
    best = torch.where(seen, torch.log(rate / (1 - rate)), 0.0).double().requires_grad_()
    (gradient,) = torch.autograd.grad(prior_loss(best, labels, valid), best)
    assert gradient[seen].abs().max() < 1e-9
    assert seen.sum() >= 3
    assert prior_loss(bias, labels, valid) > prior_loss(best, labels, valid)


def test_invalid_slots_count_in_no_prior():
    labels = torch.tensor([[[True]], [[False]]])
    only_first = torch.tensor([[[True]], [[False]]])
    expected = functional.softplus(torch.tensor(-0.3))  # rate 1
    assert torch.allclose(prior_loss(torch.tensor([0.3]), labels, only_first), expected)


def test_infonce_with_one_partner_each_is_cross_entropy_both_ways(case):
    (frames, texts, _, _), _, _ = case
    clips, theta = frames[:, 0], torch.tensor(math.log(1 / 0.07))
    logits, target = theta.exp() * clips @ texts[:3].T, torch.arange(3)
    expected = (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2
    assert torch.allclose(infonce_loss(clips, texts[:3], theta, torch.eye(3, dtype=torch.bool)), expected)


def test_infonce_with_several_partners_equals_the_loop(case):
    (frames, texts, _, _), _, _ = case
    clips, theta = frames[:, 0], torch.tensor(1.5)
    positives = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0]]).bool()
    valid = torch.ones(3, 5, dtype=torch.bool)
    valid[0, 4] = False
    logits = (theta.exp() * clips @ texts.T).masked_fill(~valid, -math.inf)

    def one_way(scores, right):
        rows = []
        for row, good in zip(scores, right, strict=True):
            if good.any():
                wrong = row[~good]
                rows.append(
                    torch.stack(
                        [-row[k] + torch.cat([row[k : k + 1], wrong]).logsumexp(0) for k in torch.where(good)[0]]
                    ).mean()
                )
        return torch.stack(rows).mean()

    expected = (one_way(logits, positives) + one_way(logits.T, positives.T)) / 2
    assert torch.allclose(infonce_loss(clips, texts, theta, positives, valid), expected)


@pytest.mark.parametrize(
    "loss_of_nothing",
    [
        lambda f, t, s, b: framewise_loss(
            f, t, s, b, torch.zeros(3, 4, 5, dtype=torch.bool), torch.zeros(3, 1, 1, dtype=torch.bool)
        ),
        lambda f, t, s, b: framewise_loss(f, t[:0], s[:0], b[:0], torch.zeros(3, 4, 0, dtype=torch.bool)),
        lambda f, t, s, b: prior_loss(
            b, torch.zeros(3, 4, 5, dtype=torch.bool), torch.zeros(3, 1, 1, dtype=torch.bool)
        ),
        lambda f, t, s, b: infonce_loss(f[:, 0], t, torch.tensor(1.0), torch.zeros(3, 5, dtype=torch.bool)),
    ],
)
def test_nothing_valid_gives_zero_not_nan(case, loss_of_nothing):
    (frames, texts, scale, bias), _, _ = case
    loss = loss_of_nothing(frames, texts, scale, bias)
    assert loss.item() == 0
    loss.backward()
    assert frames.grad is None or frames.grad.isfinite().all()
