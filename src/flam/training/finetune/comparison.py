"""Before and after on held-out clips: how well each word is found, those learnt and those known before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from flam.evaluation.auroc import auroc
from flam.model.flam import FLAM
from flam.training.finetune.examples import Examples


@dataclass(frozen=True)
class Row:
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
    learnt : the folder's labels
    known : sounds that the model was not taught now, and that it should still find
    """

    learnt: tuple[Row, ...]
    known: tuple[Row, ...]

    def mean(self, of_known: bool) -> Row:
        """Mean over the texts of a kind that have a value; NaN where none has."""
        rows = [row for row in (self.known if of_known else self.learnt) if not np.isnan(row.before)]
        name = "all known sounds" if of_known else "all learnt sounds"
        if not rows:
            return Row(name, float("nan"), float("nan"), 0)
        before, after = np.mean([[row.before, row.after] for row in rows], axis=0)
        return Row(name, float(before), float(after), sum(row.n_frames for row in rows))


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
    rows = [Row(text, before[text], after[text], n_frames[k]) for k, text in enumerate(texts)]
    return Comparison(tuple(rows[:n_learnt]), tuple(rows[n_learnt:]))
