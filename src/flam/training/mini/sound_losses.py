"""Losses of single sounds, each the mean of its own frames: so a short sound counts as much as a long one."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from flam.losses import infonce_loss
from flam.training.mini.batch import Batch
from flam.training.mini.texts import LabelTexts


def event_loss(frame_features: Tensor, text_features: Tensor, log_temperature_inverse: Tensor, batch: Batch) -> Tensor:
    """InfoNCE of sounds against texts.

    A text that sounds during half of another sound's frames is right for it too; one that only touches it is neither
    right nor wrong.

    Parameters
    ----------
    frame_features : (B, T, D) float tensor, L2-normalised along D
    text_features : (K, D) float tensor, L2-normalised along D
    """
    features, weights = sound_features(frame_features, batch)
    share = weights @ batch.labels.float()
    positives = share >= 0.5
    counted = batch.valid[:, None] & ((share == 0) | positives)
    sounds = batch.active.any(dim=-1)
    return infonce_loss(features[sounds], text_features, log_temperature_inverse, positives[sounds], counted[sounds])


def near_loss(
    frame_features: Tensor,
    text_features: Tensor,
    near_features: Tensor,
    log_temperature_inverse: Tensor,
    batch: Batch,
    texts: LabelTexts,
) -> Tensor:
    """Logistic loss of sounds that are nearer to a near miss than to their label.

    A near miss that sounds in the same scene doesn't count.

    Parameters
    ----------
    frame_features : (B, T, D) float tensor, L2-normalised along D
    text_features : (K, D) float tensor, one text per label, L2-normalised along D
    near_features : (M, D) float tensor, one text per near miss, L2-normalised along D
    """
    features, _ = sound_features(frame_features, batch)
    scene, place = batch.active.any(dim=-1).nonzero(as_tuple=True)
    features, label = features[scene, place], batch.label[scene, place]
    sounding = functional.pad(batch.labels.any(dim=1), (0, 1))[:, texts.near_label]
    counted = texts.near[label] & ~sounding[scene] & texts.trained[label, None]
    right = (features * text_features[label]).sum(dim=-1, keepdim=True)
    losses = functional.softplus(log_temperature_inverse.exp() * (features @ near_features.T - right))
    return (losses * counted).sum() / counted.sum().clamp(min=1)


def sound_features(frame_features: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """(B, E, D) features of each sound, the mean of its own frames, L2-normalised, and the (B, E, T) weights of it."""
    weights = batch.active / batch.active.sum(dim=-1, keepdim=True).clamp(min=1)
    return functional.normalize(weights @ frame_features, dim=-1), weights
