"""Validation on held-out sounds during training."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from flam.data.texts import LabelVariants
from flam.data.training_data import FrameBatch
from flam.evaluation.auroc import auroc, macro_auroc
from flam.losses import FrameLabels, dense_labels
from flam.model.convnet import ConvEncoder
from flam.model.flam import FLAM, TextFeatures, score
from flam.training.embedding import Inputs
from flam.training.log import QUANTILES
from flam.training.teacher_scenes import make_batch

# stands in for a text that is not there; never counted
NO_TEXT = "nothing"
DIGITS = 4


@torch.no_grad()
def held_out_figures(embedder: nn.Module, batches: Iterable[FrameBatch]) -> dict[str, Any]:
    """Quality and signs of collapse on held-out batches.

    Parameters
    ----------
    embedder : nn.Module
        ``Inputs`` to ``Features``, in evaluation mode
    batches : Iterable[FrameBatch]
        held-out batches; a text that occurs in several is one text, true of the clips that any of them says

    Returns
    -------
    dict[str, Any]
        ``validation_frame_auroc``: macro over texts that sound; ``text_cosine``: mean between different texts;
        ``frame_deviation``: root mean square of frame features around their clip's mean; quantiles of scale and bias
    """
    texts: dict[int, str] = {}
    clips, text_features, labels = [], [], []
    for batch in batches:
        slots = torch.nonzero(batch.text_valid).flatten().tolist()
        new = {int(batch.text_ids[slot]): batch.texts[slot] for slot in slots}
        new = {text_id: text for text_id, text in new.items() if text_id not in texts}
        texts |= new
        # all processes run the same passes: where weights are cut, each pass is one of all
        features = embedder(Inputs(batch.waveform, list(new.values()) or [NO_TEXT]))
        clips.append(features.frame_features.float())
        labels.append(batch.labels)
        described = (features.text_features, features.logit_scale, features.logit_bias)
        text_features.append(TextFeatures(*(value[: len(new)].float() for value in described)))
    prompts = TextFeatures(*(torch.cat(values) for values in zip(*text_features, strict=True)))
    heard = torch.cat(clips)
    scores = score(heard, prompts, "posterior").cpu().numpy()
    active, counted = _dense(labels, list(texts), heard.shape[1])
    areas = [auroc(scores[rows, :, k].ravel(), active[rows, :, k].ravel()) for k, rows in enumerate(counted.T)]
    known = [area for area in areas if not np.isnan(area)]
    return {
        "validation_frame_auroc": round(float(np.mean(known)), DIGITS) if known else None,
        "validation_texts": len(known),
        "text_cosine": round(_mean_cosine(prompts.text_features), DIGITS),
        "frame_deviation": round(
            (heard - heard.mean(dim=1, keepdim=True)).square().sum(-1).mean().sqrt().item(), DIGITS
        ),
        "logit_scale_quantiles": _quantiles(prompts.logit_scale),
        "logit_bias_quantiles": _quantiles(prompts.logit_bias),
    }


@torch.inference_mode()
def pool_auroc(
    model: FLAM,
    rows: np.ndarray,
    texts: LabelVariants,
    among: Collection[str] | None = None,
    n_prompts: int = 50,
    batch_size: int = 64,
) -> float:
    """Macro frame AUROC on scenes of a pool, over the labels that sound most often there, asked for by name.

    Parameters
    ----------
    among : Collection[str] | None, optional
        the labels to choose from; None: all
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
        batch = make_batch(rows[start : start + batch_size], texts, lambda embedding: embedding, rng=None)
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


def _dense(labels: Sequence[FrameLabels], text_ids: Sequence[int], n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """(B, T, K) labels of the clips of all batches, one after another, and (B, K) which of them count."""
    ids = torch.tensor(text_ids, dtype=torch.int64)
    active, counted = [], []
    for part in labels:
        sounding, unsure = dense_labels(part, ids, n_frames)
        active.append(sounding)
        counted.append(part.clip_valid[:, None] & ~unsure)
    return torch.cat(active).numpy(), torch.cat(counted).numpy()


def _mean_cosine(text_features: Tensor) -> float:
    n_texts = len(text_features)
    total = text_features.sum(dim=0).square().sum() - text_features.square().sum()
    return (total / max(n_texts * (n_texts - 1), 1)).item()


def _quantiles(values: Tensor) -> list[float]:
    quantiles = torch.quantile(values, torch.tensor(QUANTILES, device=values.device)) if len(values) else values
    return [round(value, DIGITS) for value in quantiles.tolist()]
