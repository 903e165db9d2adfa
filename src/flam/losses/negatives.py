"""Fair negatives: texts that mean something else than all that a clip is known to hold."""

from __future__ import annotations

from torch import Tensor


def negatives_in_other_clusters(positives: Tensor, cluster_ids: Tensor) -> Tensor:
    """Texts whose meaning cluster none of a clip's positives shares; "dog" is no negative of a clip of "barking".

    ``positives | negatives`` is the ``valid`` of the losses.

    Parameters
    ----------
    positives : (B, K) bool tensor, True where clip and text belong together
    cluster_ids : (K,) integer tensor, for example of k-means over the text features of all captions

    Returns
    -------
    (B, K) bool tensor, True where the text is a fair negative of the clip

    >>> import torch
    >>> negatives_in_other_clusters(torch.tensor([[True, False, False]]), torch.tensor([7, 7, 8]))
    tensor([[False, False,  True]])
    """
    return ~_related(positives, cluster_ids[:, None] == cluster_ids[None])


def negatives_by_cosine(positives: Tensor, text_features: Tensor, max_cosine: float) -> Tensor:
    """Texts whose cosine with each of a clip's positives is at most ``max_cosine``: the same where there's no cluster.

    Parameters
    ----------
    positives : (B, K) bool tensor, True where clip and text belong together
    text_features : (K, D) float tensor, L2-normalised along D; better of a frozen text encoder than of the one in
        training, which may pull everything together
    max_cosine : above it two texts count as the same meaning

    Returns
    -------
    (B, K) bool tensor, True where the text is a fair negative of the clip

    >>> import torch
    >>> texts = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> negatives_by_cosine(torch.tensor([[True, False, False]]), texts, max_cosine=0.7)
    tensor([[False, False,  True]])
    """
    text_features = text_features.detach()
    return ~_related(positives, text_features @ text_features.T > max_cosine) & ~positives


def _related(positives: Tensor, same_meaning: Tensor) -> Tensor:
    """(B, K): the text means the same as one of the clip's positives."""
    return (positives.float() @ same_meaning.float()) > 0
