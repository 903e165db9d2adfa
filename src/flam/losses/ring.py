"""The losses over the batch of all processes: the texts travel from process to process.

Each function gives every process the same number, the loss of one process that holds the whole batch, and gradients
that DistributedDataParallel's average over the processes makes those of that one process. Without ``torch.distributed``
the same code runs as a ring of one. ``docs/ring.md`` tells what travels when.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional

from flam.losses.clip import Similarity, sigmoid_losses
from flam.losses.exchange import PaddedShard, Ring, at_least_float32, ring_sum
from flam.losses.frame import FrameLabels, TextShard, dense_labels, framewise_losses, prior_losses


def ring_framewise_loss(
    frame_features: Tensor,
    labels: FrameLabels,
    texts: TextShard,
    group: dist.ProcessGroup | None = None,
    unsure_weight: float = 0.0,
) -> Tensor:
    """``framewise_loss`` (Eq. 4) over the clips and texts of all processes: the mean over all valid triples.

    A caption that several processes hold counts as often as it is held, each time with its true label.

    Parameters
    ----------
    frame_features : Tensor
        (B, T, D) float tensor, L2-normalised along D
    labels : FrameLabels
        what sounds in these B clips
    texts : TextShard
        the texts of this process; K may differ from process to process
    group : dist.ProcessGroup | None, optional
        the processes; None: all
    unsure_weight : float, default 0.0
        how much an unsure pair counts, 0.25 for negatives that may be present after all; 0: not at all

    Returns
    -------
    Tensor
        scalar; 0 where nothing is valid

    Examples
    --------
    >>> none = torch.zeros(0, dtype=torch.int64)
    >>> sounds = torch.ones(1, 1, dtype=torch.bool)
    >>> labels = FrameLabels(torch.tensor([0]), torch.tensor([5]), sounds, none, none, clip_valid=sounds[0])
    >>> texts = TextShard(torch.ones(1, 1), torch.ones(1), torch.zeros(1), torch.tensor([5]), valid=sounds[0])
    >>> round(ring_framewise_loss(torch.ones(1, 1, 1), labels, texts).item(), 4)
    0.3133
    """
    n_frames = frame_features.shape[1]

    def block(packed: Tensor, ids: Tensor, valid: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        active, unsure = dense_labels(labels, ids, n_frames)
        losses = framewise_losses(frames, packed[:, :-2], packed[:, -2], packed[:, -1], active)
        weights = (labels.clip_valid[:, None] & valid) * torch.where(unsure, unsure_weight, 1.0)
        return (losses * weights[:, None]).sum(), weights.sum() * n_frames

    ring = Ring(group)
    packed = torch.cat([texts.text_features, texts.logit_scale[:, None], texts.logit_bias.detach()[:, None]], dim=1)
    shard = ring.pad(packed, texts.text_ids, texts.valid)
    total, weight = ring_sum(block, ring, shard, _without_padding(frame_features, labels.clip_valid))
    return total / weight.clamp(min=torch.finfo(weight.dtype).tiny)


def ring_prior_loss(
    labels: FrameLabels, texts: TextShard, n_frames: int, group: dist.ProcessGroup | None = None
) -> Tensor:
    """``prior_loss`` (Eq. 10) over the clips and texts of all processes: ids travel, how often they sound comes home.

    Parameters
    ----------
    labels : FrameLabels
        what sounds in the clips of this process
    texts : TextShard
        the texts of this process; of its floats only the bias is used
    n_frames : int
        T
    group : dist.ProcessGroup | None, optional
        the processes; None: all

    Returns
    -------
    Tensor
        scalar mean over the texts that have a valid slot anywhere; 0 where none has

    Examples
    --------
    >>> none = torch.zeros(0, dtype=torch.int64)
    >>> labels = FrameLabels(torch.tensor([0]), torch.tensor([5]), torch.eye(2)[:1] > 0, none, none, torch.ones(1) > 0)
    >>> texts = TextShard(torch.ones(1, 1), torch.ones(1), torch.zeros(1), torch.tensor([5]), torch.ones(1) > 0)
    >>> round(ring_prior_loss(labels, texts, n_frames=2).item(), 4)  # rate 0.5, log 2
    0.6931
    """

    def count(other: PaddedShard) -> Tensor:
        active, unsure = dense_labels(labels, other.ids, n_frames)
        counted = labels.clip_valid[:, None] & other.valid & ~unsure
        return torch.stack([(active & counted[:, None]).sum(dim=(0, 1)), counted.sum(dim=0) * n_frames])

    ring = Ring(group)
    shard = ring.pad(texts.logit_bias[:, None], texts.text_ids, texts.valid)
    positive_slots, slots = ring.reduce_over_ring(shard, count)
    losses = prior_losses(shard.features[:, 0], positive_slots, slots)
    return ring.total(losses.sum()) / ring.total((slots > 0).sum()).clamp(min=1)


def ring_infonce_loss(
    audio_features: Tensor,
    audio_text_ids: Tensor,
    texts: TextShard,
    log_temperature_inverse: Tensor,
    group: dist.ProcessGroup | None = None,
    clip_valid: Tensor | None = None,
    hardness: float = 0.0,
    similarity: Similarity | None = None,
) -> Tensor:
    """``infonce_loss`` (Eq. 1) over the clips and texts of all processes, in blocks of one process's clips and texts.

    Every text with the clip's id is a right partner, whichever process holds it.

    Parameters
    ----------
    audio_features : Tensor
        (B, D) float tensor, L2-normalised along D; whatever ``similarity`` takes where it is given
    audio_text_ids : Tensor
        (B,) int64 tensor, the id of each clip's caption
    texts : TextShard
        the texts of this process; its scale and bias are not used
    log_temperature_inverse : Tensor
        scalar tensor; logits are ``exp`` of it times the cosine
    group : dist.ProcessGroup | None, optional
        the processes; None: all
    clip_valid : Tensor | None, optional
        (B,) bool tensor, False for padding clips. None: all count
    hardness : float, default 0.0
        how much more the wrong partners that look right count, as in ``infonce_loss``
    similarity : Similarity | None, optional
        from (B, ...) clips and (K, D) texts to their (B, K) similarities; None: the cosine

    Returns
    -------
    Tensor
        scalar; 0 where nothing belongs together

    Examples
    --------
    >>> texts = TextShard(torch.eye(2), torch.ones(2), torch.zeros(2), torch.tensor([3, 4]), torch.ones(2) > 0)
    >>> round(ring_infonce_loss(torch.eye(2), torch.tensor([3, 4]), texts, torch.tensor(0.0)).item(), 4)
    0.3133
    """
    ring = Ring(group)
    clip_valid = torch.ones_like(audio_text_ids, dtype=torch.bool) if clip_valid is None else clip_valid
    shape = audio_features.shape[1:]
    clips = ring.pad(audio_features.flatten(1), audio_text_ids, clip_valid)
    captions = ring.pad(texts.text_features, texts.text_ids, texts.valid)
    theta = at_least_float32(log_temperature_inverse)

    def of_clips(clips: Tensor, texts: Tensor) -> Tensor:
        return clips @ texts.T if similarity is None else similarity(clips.view(-1, *shape), texts)

    def of_texts(texts: Tensor, clips: Tensor) -> Tensor:
        return of_clips(clips, texts).T

    to_texts = _one_way(ring, clips, captions, theta, hardness, of_clips)
    return (to_texts + _one_way(ring, captions, clips, theta, hardness, of_texts)) / 2


def _one_way(
    ring: Ring, queries: PaddedShard, keys: PaddedShard, theta: Tensor, hardness: float, similarity: Similarity
) -> Tensor:
    """Each query of this process against the keys of all, which travel twice: for the sums, then for the gradient."""

    def compare(features: Tensor, key: PaddedShard, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        counted, same = queries.valid[:, None] & key.valid, queries.ids[:, None] == key.ids
        return theta.exp() * similarity(features, key.features), counted & same, counted & ~same

    with torch.no_grad(), torch.autocast(theta.device.type, enabled=False):
        # over the wrong keys of a query: their number, log sum exp(hardness * s), log sum exp((1 + hardness) * s)
        number = torch.zeros_like(queries.ids)
        spread = sharp = torch.full_like(queries.features[:, 0], float("-inf"))
        right_rows, right_logits = [], []
        for other in ring.rotate(keys):
            logits, right, wrong = compare(queries.features, other, theta)
            right_rows.append(right.nonzero()[:, 0])
            right_logits.append(logits[right])
            number = number + wrong.sum(dim=1)
            spread = spread.logaddexp((hardness * logits).masked_fill(~wrong, float("-inf")).logsumexp(dim=1))
            sharp = sharp.logaddexp(((1 + hardness) * logits).masked_fill(~wrong, float("-inf")).logsumexp(dim=1))
        # a right key has to beat this, log sum exp(s) where hardness is 0
        against = sharp - (spread - number.to(spread.dtype).log()).masked_fill(number == 0, 0.0)
        rows = torch.cat(right_rows)
        share = 1.0 / torch.bincount(rows, minlength=len(against)).clamp(min=1).to(against.dtype)
        # the loss of a query grows by this much with its ``against``
        lost = (against[rows] - torch.cat(right_logits)).sigmoid()
        pull = share * torch.zeros_like(against).index_add_(0, rows, lost)

    def block(features: Tensor, ids: Tensor, valid: Tensor, own: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        logits, right, wrong = compare(own, PaddedShard(features, ids, valid), theta)
        losses = functional.softplus(against[:, None] - logits)  # log(exp(logit) + exp(against)) - logit
        weights = right * share[:, None]
        # ``against`` is a number here; what the wrong keys did to it adds their gradient, and 0 to the value
        scores = logits.detach()
        slope = (1 + hardness) * ((1 + hardness) * scores - sharp[:, None]).exp()
        slope = slope - hardness * (hardness * scores - spread[:, None]).exp()
        through_against = ((pull[:, None] * slope).masked_fill(~wrong, 0.0) * logits).sum()
        return (losses * weights).sum() + through_against - through_against.detach(), weights.sum()

    total, weight = ring_sum(block, ring, keys, queries.features, theta)
    return total / weight.clamp(min=1.0)


def ring_sigmoid_loss(
    audio_features: Tensor,
    audio_text_ids: Tensor,
    texts: TextShard,
    log_scale: Tensor,
    bias: Tensor,
    group: dist.ProcessGroup | None = None,
    clip_valid: Tensor | None = None,
) -> Tensor:
    """``sigmoid_loss``, the option for the instance loss, over the clips and texts of all processes.

    Parameters
    ----------
    audio_features : Tensor
        (B, D) float tensor, L2-normalised along D
    audio_text_ids : Tensor
        (B,) int64 tensor, the id of each clip's caption
    texts : TextShard
        the texts of this process; its own scale and bias are not used
    log_scale, bias : Tensor
        scalar tensors; logits are ``exp(log_scale)`` times the cosine plus the bias
    group : dist.ProcessGroup | None, optional
        the processes; None: all
    clip_valid : Tensor | None, optional
        (B,) bool tensor, False for padding clips. None: all count

    Returns
    -------
    Tensor
        scalar; divided by 1 where nothing belongs together

    Examples
    --------
    >>> texts = TextShard(torch.eye(2), torch.ones(2), torch.zeros(2), torch.tensor([3, 4]), torch.ones(2) > 0)
    >>> zero = torch.tensor(0.0)
    >>> round(ring_sigmoid_loss(torch.eye(2), torch.tensor([3, 4]), texts, zero, zero).item(), 4)
    1.0064
    """
    clip_valid = torch.ones_like(audio_text_ids, dtype=torch.bool) if clip_valid is None else clip_valid

    def block(
        features: Tensor, ids: Tensor, valid: Tensor, clips: Tensor, log_scale: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        counted, right = clip_valid[:, None] & valid, audio_text_ids[:, None] == ids
        losses = sigmoid_losses(clips, features, log_scale, bias, right)
        return (losses * counted).sum(), (right & counted).sum()

    ring = Ring(group)
    shard = ring.pad(texts.text_features, texts.text_ids, texts.valid)
    clips = _without_padding(audio_features, clip_valid)
    total, weight = ring_sum(block, ring, shard, clips, at_least_float32(log_scale), at_least_float32(bias))
    return total / weight.clamp(min=1.0)


def _without_padding(features: Tensor, valid: Tensor) -> Tensor:
    """(B, ...) features in single precision at least, and 0 where the clip is padding, so that no NaN can leave it."""
    return at_least_float32(features).masked_fill(~valid.view(-1, *[1] * (features.ndim - 1)), 0.0)
