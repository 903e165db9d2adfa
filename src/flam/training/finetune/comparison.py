"""Frame AUROC before and after a fine-tuning on held-out clips, and thresholds for the new words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from flam.detection.config import DetectionConfig, PromptSettings
from flam.evaluation.auroc import auroc
from flam.model.flam import FLAM, score
from flam.training.tasks.finetune import Examples

HIGHEST_THRESHOLD = 0.9999


@dataclass(frozen=True)
class TextAUROC:
    """One text: its frame AUROC before and after, NaN where it never or always sounds, and how many frames it has."""

    text: str
    before: float
    after: float
    n_frames: int


@dataclass(frozen=True)
class Comparison:
    """What a fine-tuning changed.

    Parameters
    ----------
    learnt : tuple[TextAUROC, ...]
        the folder's labels
    known : tuple[TextAUROC, ...]
        sounds that the model was not taught now, and that it should still find
    """

    learnt: tuple[TextAUROC, ...]
    known: tuple[TextAUROC, ...]

    def mean(self, of_known: bool) -> TextAUROC:
        """Mean over the texts of a kind that have a value; NaN where none has."""
        rows = [row for row in (self.known if of_known else self.learnt) if not np.isnan(row.before)]
        name = "all known sounds" if of_known else "all learnt sounds"
        if not rows:
            return TextAUROC(name, float("nan"), float("nan"), 0)
        before, after = np.mean([[row.before, row.after] for row in rows], axis=0)
        return TextAUROC(name, float(before), float(after), sum(row.n_frames for row in rows))


@torch.inference_mode()
def frame_aurocs(model: FLAM, examples: Examples, texts: Sequence[str]) -> dict[str, float]:
    """Frame AUROC of texts, the columns of the labels; NaN where a text never or always sounds."""
    features = model.embed_text(texts).text_features.cpu()
    labels = examples.labels[examples.valid].numpy()
    scores = (examples.frame_features[examples.valid].float() @ features.T).numpy()  # a text's score rises with it
    return {text: auroc(scores[:, k], labels[:, k]) for k, text in enumerate(texts)}


def compare(
    before: dict[str, float], after: dict[str, float], examples: Examples, texts: Sequence[str], n_learnt: int
) -> Comparison:
    """Put both together; the first ``n_learnt`` texts were learnt."""
    n_frames = (examples.labels & examples.valid[..., None]).sum(dim=(0, 1)).tolist()
    rows = [TextAUROC(text, before[text], after[text], n_frames[k]) for k, text in enumerate(texts)]
    return Comparison(tuple(rows[:n_learnt]), tuple(rows[n_learnt:]))


@torch.inference_mode()
def with_thresholds(
    model: FLAM, detection: DetectionConfig, examples: Examples, texts: Sequence[str], n_learnt: int
) -> DetectionConfig:
    """An operating point with a threshold for each new word.

    New words are common in what they are learnt from, and so score higher than others everywhere. The threshold of a
    word is the score that it passes in as many frames without it as the known sounds, in the median, pass theirs.

    Parameters
    ----------
    detection : DetectionConfig
        the parent's operating point
    examples : Examples
        K texts, the columns of the labels; the first ``n_learnt`` are new
    texts : Sequence[str]
        K texts, the columns of the labels; the first ``n_learnt`` are new

    Returns
    -------
    DetectionConfig
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
            threshold = round(min(max(threshold, detection.threshold), HIGHEST_THRESHOLD), 4)
            settings[text] = replace(settings.get(text, PromptSettings()), threshold=threshold)
    return replace(detection, prompts=settings)
