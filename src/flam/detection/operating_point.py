"""The operating point of several prompts together: a threshold for their number, and each one's kind of sound."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from flam.detection.config import DetectionConfig, PromptSettings
from flam.detection.kinds import nearest_kinds


def operating_point(
    config: DetectionConfig, prompts: Sequence[str], embed: Callable[[Sequence[str]], np.ndarray]
) -> DetectionConfig:
    """Settle what depends on which prompts are asked together.

    With ``false_alarms_per_hour`` and a curve, the threshold is the one at which K prompts together have ``sqrt(K)``
    times as many: more prompts may be wrong more often, each of them less often. With ``kinds``, each prompt is
    smoothed and joined as its kind of sound; what ``config.prompts`` says of a prompt comes first.

    Parameters
    ----------
    config : DetectionConfig
        As a user or a model gives it.
    prompts : sequence of str
        What is asked for.
    embed : callable
        Texts to (K, D) features of length 1; only called where there are kinds.

    Returns
    -------
    DetectionConfig
        The same without ``false_alarms_per_hour`` and ``kinds``; settled once, it stays as it is.

    Examples
    --------
    >>> from flam.detection.config import FalseAlarmCurve
    >>> config = DetectionConfig(false_alarms_per_hour=6.0, false_alarm_curve=FalseAlarmCurve((0.9, 0.99), (6.0, 0.6)))
    >>> [round(operating_point(config, ["rain"] * k, np.array).threshold, 3) for k in (1, 4, 100)]
    [0.9, 0.95, 0.99]
    """
    unique = list(dict.fromkeys(prompts))
    threshold = config.threshold
    if config.false_alarms_per_hour is not None and config.false_alarm_curve is not None:
        n_prompts = max(len(prompts), 1)
        per_hour = config.false_alarms_per_hour * math.sqrt(n_prompts)
        threshold = config.false_alarm_curve.threshold(per_hour, n_prompts)
    settings = dict(config.prompts)
    for prompt, name in nearest_kinds(unique, config.kinds, embed).items() if config.kinds else ():
        kind, own = config.kinds[name], settings.get(prompt, PromptSettings())
        high = threshold if own.threshold is None else own.threshold
        by_kind = {
            "median_s": kind.median_s,
            "min_duration_s": kind.min_duration_s,
            "merge_gap_s": kind.merge_gap_s,
            "low_threshold": None if kind.low_share is None else kind.low_share * high,
        }
        missing = {name: value for name, value in by_kind.items() if getattr(own, name) is None}
        settings[prompt] = dataclasses.replace(own, **missing)
    low = config.low_threshold
    return dataclasses.replace(
        config,
        threshold=threshold,
        low_threshold=None if low is None else low / config.threshold * threshold,
        prompts=settings,
        kinds={},
        false_alarms_per_hour=None,
    )
