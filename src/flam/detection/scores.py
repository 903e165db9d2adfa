"""From features of frames and texts to probabilities, in numpy; ``flam.model.flam.score`` is the same in torch."""

from __future__ import annotations

from typing import get_args

import numpy as np

from flam.core import ModelError, ScoreMethod
from flam.core.matmul import matmul_in_thread
from flam.detection.backends.base import TextFeatures


def score(frame_features: np.ndarray, texts: TextFeatures, method: ScoreMethod) -> np.ndarray:
    """Compute the probability that a text sounds in a frame.

    Parameters
    ----------
    frame_features : numpy.ndarray
        (..., T, D) float32, as ``Backend.project`` gives them.
    texts : TextFeatures
        Features, scale and bias of K texts.
    method : {"unbiased", "approximate", "posterior"}
        "unbiased" (Eq. 7 of the paper) is free of the training prior: 0.5 where the product is 0; "approximate" (Eq. 8)
        leaves the bias out; "posterior", the sigmoid of Eq. 2's logit, is the probability under the training prior.

    Returns
    -------
    numpy.ndarray
        (..., T, K) float32 in [0, 1].

    Raises
    ------
    ModelError
        An unknown method.

    Examples
    --------
    >>> texts = TextFeatures(np.eye(2), np.array([10.0, 10.0]), np.array([-8.0, -8.0]))
    >>> frames = np.array([[1.0, 0.0]])  # like the first text, unlike the second
    >>> score(frames, texts, "unbiased").round(3)
    array([[1. , 0.5]])
    """
    rows = frame_features.reshape(-1, frame_features.shape[-1])
    logits = matmul_in_thread(rows, texts.text_features.T).reshape(*frame_features.shape[:-1], len(texts.text_features))
    logits *= texts.logit_scale
    if method == "unbiased":
        # Eq. 7, sigmoid(h) / (sigmoid(h) + sigmoid(beta)), as a logit: no quotient of two numbers near 0
        logits += np.logaddexp(0, texts.logit_bias) - np.logaddexp(0, logits + texts.logit_bias)
    elif method == "posterior":
        logits += texts.logit_bias
    elif method != "approximate":
        raise ModelError(f"unknown score {method!r}; choose one of {', '.join(get_args(ScoreMethod))}")
    # the sigmoid, in place: with thousands of prompts these are the largest arrays
    np.negative(logits, out=logits)
    with np.errstate(over="ignore"):
        np.exp(logits, out=logits)
    logits += 1
    return np.reciprocal(logits, out=logits)
