"""Scales of a finished model brought closer together, so that a threshold asks for a similar cosine of every text."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from flam.model.flam import FLAM


def narrow_scales(model: FLAM, texts: Sequence[str], share: float) -> float:
    """Move the scale of every text towards the mean of some, in place; cosines and biases stay.

    Training gives texts with little evidence small scales, so that a common threshold asks more of them than they ever
    reach: rain, wind and machinery are not found.

    Parameters
    ----------
    model : FLAM
        With a scale per text.
    texts : sequence of str
        Texts whose geometric mean is moved towards.
    share : float
        How far, in [0, 1]; 1 gives all texts one scale.

    Returns
    -------
    float
        The mean scale.
    """
    with torch.no_grad():
        mean = model.embed_text(list(texts)).logit_scale.log().mean()
        last = model.logit_scale_head[-1]  # gives the logarithm of the scale
        last.weight.mul_(1 - share)
        last.bias.mul_(1 - share).add_(share * mean)
    return float(mean.exp())
