"""Each optional loss equals a slow loop over its definition, in value and gradient."""

import pytest
import torch
from torch.nn import functional

from flam.losses import (
    framewise_loss,
    infonce_loss,
    pooled_similarity,
    sigmoid_loss,
)


@pytest.fixture
def case():
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


def test_sigmoid_loss_equals_the_loop_over_pairs(case):
    clips, texts, positives, valid = case
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


def test_hard_negatives_equal_the_loop_over_the_definition(case):
    clips, texts, positives, valid = case
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


def test_hard_negatives_of_a_row_without_any_are_no_nan(case):
    clips, texts, _, _ = case
    loss = infonce_loss(clips[:1], texts[:1], torch.tensor(1.0), torch.ones(1, 1).bool(), hardness=0.15)
    loss.backward()
    assert loss.item() == 0
    assert clips.grad.isfinite().all()


def test_a_negative_that_may_be_present_counts_a_quarter(case):
    clips, texts, positives, _ = case
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
