"""Losses of text pretraining: texts of one meaning come together, and near to what is known of them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from flam.losses import infonce_loss
from flam.training.task import objective
from flam.training.tasks.text import TextStep

SCALE_WEIGHT, BIAS_WEIGHT = 0.15, 0.05


@objective("pair", TextStep)
def pair_loss(step: TextStep) -> Tensor:
    """Compute InfoNCE between both sides of pairs."""
    left, right = step.features.left, step.features.right
    return infonce_loss(left, right, step.log_temperature_inverse, torch.eye(len(left), dtype=torch.bool))


@objective("phrase", TextStep)
def phrase_loss(step: TextStep) -> Tensor:
    """Compute InfoNCE of phrases against others of the same sound, or against an earlier model's labels."""
    features, groups, corpus = step.features, step.groups, step.corpus
    assert features.phrases is not None
    if corpus.earlier is None:
        assert features.others is not None
        same = groups[:, None] == groups
        return infonce_loss(features.phrases, features.others, step.log_temperature_inverse, same)
    assert corpus.related is not None
    right_group = functional.one_hot(groups, len(corpus.related)).bool()
    counted = ~corpus.related[groups]
    known = corpus.earlier.text_features
    return infonce_loss(features.phrases, known, step.log_temperature_inverse, right_group, counted)


@objective("copy", TextStep)
def copy_loss(step: TextStep) -> Tensor:
    """Compute how far phrases are from what an earlier model makes of their labels: cosine, scale and bias."""
    features, earlier = step.features, step.corpus.earlier
    assert earlier is not None
    assert features.phrases is not None
    assert features.phrase_scale is not None
    assert features.phrase_bias is not None
    text_features, scale, bias = (part[step.groups] for part in earlier)
    distance = 1 - (features.phrases * text_features).sum(dim=-1).mean()
    of_scale = (features.phrase_scale.log() - scale.log()).square().mean()
    of_bias = (features.phrase_bias - bias).square().mean()
    return distance + SCALE_WEIGHT * of_scale + BIAS_WEIGHT * of_bias


@objective("similarity", TextStep)
def similarity_loss(step: TextStep) -> Tensor:
    """Compute how far cosines between reference texts are from those of the larger model."""
    reference, target = step.features.reference, step.reference_cosines
    assert reference is not None
    assert target is not None
    return functional.mse_loss(reference @ reference.T, target)
