"""The learning rate: up in a straight line, then down along a cosine."""

from __future__ import annotations

import math


def learning_rate(step: int, peak: float, steps: int, warmup_steps: int, final_share: float = 0.0) -> float:
    """Learning rate of a step.

    Parameters
    ----------
    step : counted from 0
    peak : largest rate, reached at the end of the warm-up
    steps : length of the training; the cosine ends there
    warmup_steps : the rate grows linearly over these
    final_share : the cosine falls to this share of the peak

    >>> [learning_rate(step, 1.0, steps=6, warmup_steps=2) for step in (0, 1, 4)]
    [0.5, 1.0, 0.5]
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    passed = (step - warmup_steps) / max(steps - warmup_steps, 1)
    return peak * (final_share + (1 - final_share) * 0.5 * (1 + math.cos(math.pi * min(passed, 1.0))))
