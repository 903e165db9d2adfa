"""Each loss equals a slow loop over its definition, in value and gradient."""

import math

import pytest
import torch
from torch.nn import functional

from flam.losses import framewise_loss, infonce_loss, pooled_similarity, prior_loss, sigmoid_loss


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


@pytest.fixture
def clip_case():
    random = torch.Generator().manual_seed(0)
    clips = functional.normalize(torch.randn(3, 8, generator=random, dtype=torch.float64), dim=-1)
    texts = functional.normalize(torch.randn(5, 8, generator=random, dtype=torch.float64), dim=-1)
    positives = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0]]).bool()
    valid = torch.ones(3, 5, dtype=torch.bool)
    valid[0, 4] = valid[2, 1] = False
    return clips.requires_grad_(), texts.requires_grad_(), positives, valid


def assert_same(fast, slow, inputs):
    assert torch.allclose(fast, slow)
    for ours, theirs in zip(torch.autograd.grad(fast, inputs), torch.autograd.grad(slow, inputs), strict=True):
        assert torch.allclose(ours, theirs)


def test_sigmoid_loss_equals_the_loop_over_pairs(clip_case):
    clips, texts, positives, valid = clip_case
    log_scale, bias = torch.tensor(0.7, requires_grad=True), torch.tensor(-1.3, requires_grad=True)
    total, together = 0.0, 0
    for b in range(3):
        for k in range(5):
            if valid[b, k]:
                h = log_scale.exp() * clips[b].dot(texts[k]) + bias
                total = total - torch.log(torch.sigmoid(h if positives[b, k] else -h))
                together += int(positives[b, k])
    fast = sigmoid_loss(clips, texts, log_scale, bias, positives, valid)
    assert_same(fast, total / together, (clips, texts, log_scale, bias))


def test_hard_negatives_equal_the_loop_over_the_definition(clip_case):
    clips, texts, positives, valid = clip_case
    theta, hardness = torch.tensor(1.5, requires_grad=True), 0.15
    logits = theta.exp() * clips @ texts.T

    def one_way(scores, right, counted):
        rows = []
        for row, good, counts in zip(scores, right, counted, strict=True):
            if good.any():
                wrong = row[counts & ~good]
                weights = len(wrong) * torch.exp(hardness * wrong) / torch.exp(hardness * wrong).sum()
                hard = (weights * wrong.exp()).sum()
                rows.append(
                    torch.stack([-row[k] + torch.log(row[k].exp() + hard) for k in torch.where(good)[0]]).mean()
                )
        return torch.stack(rows).mean()

    slow = (one_way(logits, positives, valid) + one_way(logits.T, positives.T, valid.T)) / 2
    fast = infonce_loss(clips, texts, theta, positives, valid, hardness=hardness)
    assert_same(fast, slow, (clips, texts, theta))
    assert fast > infonce_loss(clips, texts, theta, positives, valid)  # what looks right and is wrong counts more


def test_hard_negatives_of_a_row_without_any_are_no_nan(clip_case):
    clips, texts, _, _ = clip_case
    loss = infonce_loss(clips[:1], texts[:1], torch.tensor(1.0), torch.ones(1, 1).bool(), hardness=0.15)
    loss.backward()
    assert loss.item() == 0
    assert clips.grad.isfinite().all()


def test_a_negative_that_may_be_present_counts_a_quarter(clip_case):
    clips, texts, positives, _ = clip_case
    frames, labels = clips[:, None].expand(3, 2, 8), positives[:, None].expand(3, 2, 5)
    scale, bias = torch.ones(5), torch.zeros(5)
    weights = torch.ones(3, 1, 5, dtype=torch.float64)
    weights[1, 0, 0] = 0.25
    logits = clips @ texts.T
    total, weight = 0.0, 0.0
    for b in range(3):
        for k in range(5):
            z = 1.0 if positives[b, k] else -1.0
            total = total - weights[b, 0, k] * torch.log(torch.sigmoid(z * logits[b, k]))
            weight += weights[b, 0, k].item()
    assert_same(framewise_loss(frames, texts, scale, bias, labels, weights), total / weight, (clips, texts))
    only_it = weights.where(weights < 1, 0.0)
    alone = framewise_loss(frames, texts, scale, bias, labels, only_it)  # the mean of one thing is that thing
    assert alone.item() == pytest.approx(functional.softplus(logits[1, 0]).item())


@pytest.mark.parametrize("sharpness", [0.0, 1.0, 7.5])
def test_pooled_similarity_is_a_softly_weighted_mean_of_cosines(sharpness):
    random = torch.Generator().manual_seed(5)
    frames, texts = (
        functional.normalize(torch.randn(*shape, 6, generator=random), dim=-1).requires_grad_()
        for shape in ((3, 4), (2,))
    )
    expected = torch.zeros(3, 2)
    for b in range(3):
        for k in range(2):
            cosines = [frames[b, t] @ texts[k] for t in range(4)]
            total = sum(torch.exp(sharpness * cosine) for cosine in cosines)
            expected[b, k] = sum(torch.exp(sharpness * cosine) / total * cosine for cosine in cosines)
    found = pooled_similarity(frames, texts, sharpness)
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(value.square().sum(), [frames, texts]) for value in (found, expected)]
    torch.testing.assert_close(*gradients)
