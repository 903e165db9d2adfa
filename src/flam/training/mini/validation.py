"""How good the model is so far, on recordings that it never sees in training."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import Tensor

from flam.evaluation.auroc import macro_auroc
from flam.model.convnet import ConvEncoder
from flam.model.flam import FLAM, score
from flam.training.mini.batch import make_batch
from flam.training.mini.texts import LabelTexts


@torch.inference_mode()
def pool_auroc(
    model: FLAM,
    rows: np.ndarray,
    texts: LabelTexts,
    n_prompts: int = 50,
    among: Collection[str] | None = None,
    batch_size: int = 64,
) -> float:
    """Macro frame AUROC on scenes of a pool, over the labels that sound most often there, asked for by name.

    Parameters
    ----------
    among : the labels to choose from; None: all
    """
    assert isinstance(model.audio_encoder, ConvEncoder)
    model.eval()
    counts = np.bincount(rows["label"][rows["label"] >= 0], minlength=len(texts.labels))
    if among is not None:
        counts[[label not in among for label in texts.labels]] = 0
    chosen = np.argsort(-counts, kind="stable")[: min(n_prompts, np.count_nonzero(counts))]
    prompts = model.embed_text([texts.labels[k] for k in chosen])
    scores, labels = [], []
    for start in range(0, len(rows), batch_size):
        batch = make_batch(rows[start : start + batch_size], texts, lambda embedding: embedding, None)
        frames = model.project_audio(model.audio_encoder.encode_logmel(batch.logmel)).frame_features
        scores.append(score(frames, prompts, "posterior").flatten(0, 1).numpy())
        labels.append(batch.labels[:, :, chosen].flatten(0, 1).numpy())
    return macro_auroc(np.concatenate(scores), np.concatenate(labels))


@torch.inference_mode()
def clip_accuracy(model: FLAM, logmels: Sequence[Tensor], answers: Sequence[str]) -> float:
    """Top-1 accuracy of naming clips among all their labels, by the cosine of global features and label names."""
    assert isinstance(model.audio_encoder, ConvEncoder)
    model.eval()
    names = sorted(set(answers))
    prompts = model.embed_text(names).text_features
    hits = 0
    for logmel, answer in zip(logmels, answers, strict=True):
        features = model.project_audio(model.audio_encoder.encode_logmel(logmel[None])).audio_features
        hits += names[int((features @ prompts.T).argmax())] == answer
    return hits / len(answers)
