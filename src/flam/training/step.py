"""One step of FLAM: which clips and texts are embedded, and which losses compare them.

Everything here holds one process's part of the batch; ``flam.losses`` meets the other processes.
Shapes: B clips, T frames, K texts.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributed import ProcessGroup

from flam.data.batches import CaptionBatch, FrameBatch
from flam.losses import TextShard, ring_framewise_loss, ring_infonce_loss, ring_prior_loss
from flam.training.embedder import Features, Inputs

LOSSES = ("clip", "frame", "prior")
# stands in for a text that is not there; never counted
NO_TEXT = "nothing"


class Batch(NamedTuple):
    """The two batches of a step; None where no loss asks for it."""

    captions: CaptionBatch | None
    frames: FrameBatch | None


def inputs_of(batch: Batch, n_pieces: int = 1) -> Inputs:
    """All clips and all texts of a step: captions first, then mixtures.

    Empty text slots are left out, but for as many as it takes to give every piece a text.
    """
    waveforms, texts = [], []
    if batch.captions is not None:
        waveforms.append(batch.captions.waveform)
        texts += [caption or NO_TEXT for caption in batch.captions.captions]
    if batch.frames is not None:
        waveforms.append(batch.frames.waveform)
        texts += [batch.frames.texts[slot] or NO_TEXT for slot in _slots(batch.frames, n_pieces)]
    return Inputs(torch.cat(waveforms), texts)


def flam_losses(
    features: Features,
    batch: Batch,
    wanted: frozenset[str],
    n_pieces: int = 1,
    group: ProcessGroup | None = None,
    hardness: float = 0.0,
) -> dict[str, Tensor]:
    """The losses of METHOD: Eq. 1 on caption pairs, Eq. 4 and Eq. 10 on mixtures.

    Parameters
    ----------
    features : of ``inputs_of(batch, n_pieces)``
    wanted : some of ``LOSSES``
    group : processes that share the batch; None for all
    hardness : of the negatives of the clip loss, see ``losses.infonce_loss``

    Returns
    -------
    scalars named ``clip_loss``, ``frame_loss``, ``prior_loss``, each of the whole batch and equal on all processes
    """
    device = features.frame_features.device
    losses: dict[str, Tensor] = {}
    n_captions = 0
    if batch.captions is not None:
        captions = batch.captions
        n_captions = len(captions.captions)
        if "clip" in wanted:
            text_ids, valid = captions.text_ids.to(device), captions.clip_valid.to(device)
            losses["clip_loss"] = ring_infonce_loss(
                features.audio_features[:n_captions],
                text_ids,
                _shard(features, slice(0, n_captions), text_ids, valid),
                features.log_temperature_inverse,
                group,
                valid,
                hardness,
            )
    if batch.frames is not None:
        slots = torch.tensor(_slots(batch.frames, n_pieces))
        text_ids, valid = batch.frames.text_ids[slots].to(device), batch.frames.text_valid[slots].to(device)
        texts = _shard(features, slice(n_captions, None), text_ids, valid)
        labels = batch.frames.labels
        labels = type(labels)(*(value.to(device) for value in labels))
        frame_features = features.frame_features[n_captions:]
        if "frame" in wanted:
            losses["frame_loss"] = ring_framewise_loss(frame_features, labels, texts, group)
        if "prior" in wanted:
            losses["prior_loss"] = ring_prior_loss(labels, texts, frame_features.shape[1], group)
    return losses


def _slots(frames: FrameBatch, n_pieces: int) -> list[int]:
    """The text slots to embed: those that hold a text, or ``n_pieces`` of them where fewer do."""
    filled = torch.nonzero(frames.text_valid).flatten().tolist()
    empty = torch.nonzero(~frames.text_valid).flatten().tolist()
    return filled + empty[: max(n_pieces - len(filled), 0)]


def _shard(features: Features, rows: slice, text_ids: Tensor, valid: Tensor) -> TextShard:
    return TextShard(
        features.text_features[rows], features.logit_scale[rows], features.logit_bias[rows], text_ids, valid
    )
