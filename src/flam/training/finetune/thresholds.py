"""Thresholds of new words: as few false alarms as the model has for the sounds that it knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from flam.detection.config import DetectionConfig, PromptSettings
from flam.model.flam import FLAM, score
from flam.training.finetune.examples import Examples

HIGHEST = 0.9999


@torch.inference_mode()
def with_thresholds(
    model: FLAM, detection: DetectionConfig, examples: Examples, texts: Sequence[str], n_learnt: int
) -> DetectionConfig:
    """An operating point with a threshold for each new word.

    New words are common in what they are learnt from, and so score higher than others everywhere. The threshold of a
    word is the score that it passes in as many frames without it as the known sounds, in the median, pass theirs.

    Parameters
    ----------
    detection : the parent's operating point
    examples, texts : K texts, the columns of the labels; the first ``n_learnt`` are new

    Returns
    -------
    ``detection`` where there is no known sound to compare with
    """
    described = model.embed_text(texts)
    scores = score(examples.frame_features[examples.valid].to(described.logit_bias).float(), described, detection.score)
    absent = ~examples.labels[examples.valid].numpy()
    without = [column[absent[:, k]] for k, column in enumerate(scores.cpu().numpy().T)]
    rates = [
        np.mean(values >= detection.rule(text).threshold)
        for text, values in zip(texts[n_learnt:], without[n_learnt:], strict=True)
        if len(values)
    ]
    if not rates:
        return detection
    settings = dict(detection.prompts)
    for text, values in zip(texts[:n_learnt], without, strict=False):
        if len(values):
            threshold = float(np.quantile(values, 1 - np.median(rates)))
            threshold = round(min(max(threshold, detection.threshold), HIGHEST), 4)
            settings[text] = replace(settings.get(text, PromptSettings()), threshold=threshold)
    return replace(detection, prompts=settings)
