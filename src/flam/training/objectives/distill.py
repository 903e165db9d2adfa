"""Losses of a distillation: those that copy the teacher, and those of labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from flam.core import ConfigError
from flam.losses import framewise_loss, infonce_loss, prior_loss
from flam.training.task import objective
from flam.training.tasks.distill import DistillStep
from flam.training.tasks.teacher_head import HeadStep

LEAST_SCORE = 0.1


@objective("distill", DistillStep, needs=["embedding"])
def embedding_loss(step: DistillStep) -> Tensor:
    """Compute how far the student's reading is from the teacher's embedding, by angle and by smooth L1."""
    assert step.features.embedding is not None
    taught = step.scenes.taught
    predicted, target = step.features.embedding[taught], step.scenes.embedding[taught]
    distance = 1 - functional.cosine_similarity(predicted, target, dim=-1).mean()
    return distance + functional.smooth_l1_loss(predicted, target)


@objective("tag", DistillStep, needs=["scores"])
def score_loss(step: DistillStep) -> Tensor:
    """Compute the cross-entropy of the student's reading and the teacher's scores."""
    assert step.features.scores is not None
    taught = step.scenes.taught
    return functional.binary_cross_entropy_with_logits(step.features.scores[taught], step.scenes.scores[taught])


@objective("joint", DistillStep, needs=["windows"])
def joint_loss(step: DistillStep) -> Tensor:
    """Compute how far each window is from what the teacher's head says of it, in the joint space."""
    assert step.features.windows is not None
    taught = step.scenes.taught
    return 1 - (step.features.windows[taught] * step.teacher_features[taught]).sum(dim=-1).mean()


@objective("class", DistillStep, needs=["windows", "class_features", "temperature"])
def named_class_loss(step: DistillStep) -> Tensor:
    """Compute ``class_loss`` of windows against the names of the teacher's classes."""
    features = step.features
    assert features.windows is not None
    assert features.class_features is not None
    assert features.log_temperature_inverse is not None
    taught = step.scenes.taught
    windows, scores = features.windows[taught], step.scenes.scores[taught]
    return class_loss(windows, features.class_features, features.log_temperature_inverse, scores)


@objective("clip", DistillStep, needs=["audio_features", "text_features", "temperature"])
def scene_loss(step: DistillStep) -> Tensor:
    """Compute the instance loss: what sounds for a third of a scene, or alone, is what the scene is about."""
    features, scenes = step.features, step.scenes
    assert features.audio_features is not None
    assert features.text_features is not None
    assert features.log_temperature_inverse is not None
    present = (scenes.labels.float().mean(dim=1) > 1 / 3) | (scenes.labels.any(dim=1) & scenes.single[:, None])
    return infonce_loss(
        features.audio_features, features.text_features, features.log_temperature_inverse, present, scenes.valid
    )


@objective("event", DistillStep, needs=["frame_features", "text_features", "temperature"])
def event_loss(step: DistillStep) -> Tensor:
    """Compute InfoNCE of single sounds, each the mean of its own frames: a short one counts as much as a long one.

    A text that sounds during half of another sound's frames is right for it too; one that only touches it is neither
    right nor wrong.
    """
    scenes, log_temperature_inverse = step.scenes, step.features.log_temperature_inverse
    text_features = step.features.text_features
    assert text_features is not None
    assert log_temperature_inverse is not None
    features, weights = sound_features(step)
    share = weights @ scenes.labels.float()
    positives = share >= 0.5
    counted = scenes.valid[:, None] & ((share == 0) | positives)
    sounds = scenes.active.any(dim=-1)
    return infonce_loss(features[sounds], text_features, log_temperature_inverse, positives[sounds], counted[sounds])


@objective("near", DistillStep, needs=["frame_features", "text_features", "near_features", "temperature"])
def near_loss(step: DistillStep) -> Tensor:
    """Compute the logistic loss of sounds that are nearer to a near miss than to their label.

    A near miss that sounds in the same scene doesn't count.
    """
    scenes, texts, log_temperature_inverse = step.scenes, step.texts, step.features.log_temperature_inverse
    text_features, near_features = step.features.text_features, step.features.near_features
    assert text_features is not None
    assert near_features is not None
    assert log_temperature_inverse is not None
    features, _ = sound_features(step)
    scene, place = scenes.active.any(dim=-1).nonzero(as_tuple=True)
    features, label = features[scene, place], scenes.label[scene, place]
    sounding = functional.pad(scenes.labels.any(dim=1), (0, 1))[:, texts.near_label]
    counted = texts.near[label] & ~sounding[scene] & texts.trained[label, None]
    right = (features * text_features[label]).sum(dim=-1, keepdim=True)
    losses = functional.softplus(log_temperature_inverse.exp() * (features @ near_features.T - right))
    return (losses * counted).sum() / counted.sum().clamp(min=1)


@objective("frame", DistillStep, needs=["frame_features", "text_features", "logit_scale", "logit_bias"])
def scene_frame_loss(step: DistillStep) -> Tensor:
    """Compute the frame loss (Eq. 4); frames of short sounds count more."""
    features, scenes = step.features, step.scenes
    assert features.frame_features is not None
    assert features.text_features is not None
    assert features.logit_scale is not None
    assert features.logit_bias is not None
    described = (features.text_features, features.logit_scale, features.logit_bias)
    valid = scenes.valid[:, None] * scenes.weight
    return framewise_loss(features.frame_features, *described, labels=scenes.labels, valid=valid)


@objective("prior", DistillStep, needs=["logit_bias"])
def scene_prior_loss(step: DistillStep) -> Tensor:
    """Compute the prior loss (Eq. 10)."""
    assert step.features.logit_bias is not None
    return prior_loss(step.features.logit_bias, step.scenes.labels, step.scenes.valid[:, None])


@objective("text_pull", DistillStep, needs=["text_distance"])
def text_pull_loss(step: DistillStep) -> Tensor:
    """Compute how far the text tower has moved from where it started: it holds words that no scene teaches."""
    assert step.features.text_distance is not None
    return step.features.text_distance


@objective("clips", HeadStep)
def head_clips_loss(step: HeadStep) -> Tensor:
    """Compute InfoNCE of unmixed clips' windows, as the teacher's head sees them, against the labels."""
    rows, texts = step.batch.rows, step.texts
    positives = functional.one_hot(rows, len(texts.labels)).bool()
    counted = texts.trained & ~texts.related[rows]
    return infonce_loss(
        step.features.windows, step.features.text_features, step.log_temperature_inverse, positives, counted
    )


@objective("scenes", HeadStep)
def head_scenes_loss(step: HeadStep) -> Tensor:
    """Compute InfoNCE of scenes' windows against the labels.

    A label that fills half a window is right; one that only touches it is neither right nor wrong.
    """
    share, valid = step.scene_labels
    positives = (share >= 0.5).flatten(0, 1)
    counted = (valid[:, None] & ((share == 0) | (share >= 0.5))).flatten(0, 1)
    windows = step.features.scene_windows.flatten(0, 1)
    return infonce_loss(windows, step.features.text_features, step.log_temperature_inverse, positives, counted)


@objective("class", HeadStep)
def head_class_loss(step: HeadStep) -> Tensor:
    """Compute ``class_loss`` of scenes' windows, as the teacher's head sees them."""
    assert step.features.class_features is not None
    scores = torch.from_numpy(step.batch.scenes["scores"].astype("float32") / 255)
    return class_loss(step.features.scene_windows, step.features.class_features, step.log_temperature_inverse, scores)


def sound_features(step: DistillStep) -> tuple[Tensor, Tensor]:
    """Give (B, S, D) features of each sound, the mean of its own frames, L2-normalised, and its (B, S, T) weights."""
    active = step.scenes.active
    assert step.features.frame_features is not None
    weights = active / active.sum(dim=-1, keepdim=True).clamp(min=1)
    return functional.normalize(weights @ step.features.frame_features, dim=-1), weights


def class_loss(
    features: Tensor, text_features: Tensor, log_temperature_inverse: Tensor, scores: Tensor, least: float = LEAST_SCORE
) -> Tensor:
    """Cross-entropy from how the teacher shares its certainty out among its classes to how near their names are.

    Parameters
    ----------
    features : Tensor
        (..., D) float tensor of windows, L2-normalised along D
    text_features : Tensor
        (C, D) float tensor, one text per class, L2-normalised along D
    log_temperature_inverse : Tensor
        scalar tensor; logits are ``exp`` of it times the cosine
    scores : Tensor
        (..., C) float tensor, the teacher's probabilities in [0, 1]; several classes may hold
    least : float, optional
        windows without a class this likely don't count

    Returns
    -------
    Tensor
        scalar; 0 where no window counts

    Raises
    ------
    ConfigError
        not as many texts as classes

    Examples
    --------
    >>> import torch
    >>> names = torch.eye(2)
    >>> near, far = names[:1], names[1:]
    >>> scores = torch.tensor([[0.8, 0.0]])
    >>> class_loss(near, names, torch.tensor(1.0), scores) < class_loss(far, names, torch.tensor(1.0), scores)
    tensor(True)
    """
    if len(text_features) != scores.shape[-1]:
        raise ConfigError(
            f"{len(text_features)} names for {scores.shape[-1]} classes: give one per class, in their order"
        )
    heard = scores.amax(dim=-1) >= least
    logits = log_temperature_inverse.exp() * features[heard] @ text_features.T
    if not len(logits):
        return features.sum() * 0
    target = scores[heard] / scores[heard].sum(dim=-1, keepdim=True)
    return functional.cross_entropy(logits, target)
