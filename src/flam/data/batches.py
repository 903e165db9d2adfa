"""What a process trains on in one step."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from flam.losses import FrameLabels


@dataclass(frozen=True)
class CaptionBatch:
    """Clips, each with one text that describes it; for the instance loss.

    Parameters
    ----------
    waveform : Tensor
        (B, N) float32 tensor
    captions : list[str]
        B texts, "" where there is no clip
    text_ids : Tensor
        (B,) int64 tensor, see ``flam.data.texts.text_id``; -1 where there is no clip
    clip_valid : Tensor
        (B,) bool tensor, False for silence in the place of a clip that can't be read
    problems : tuple[str, ...], default ()
        why clips can't be read
    """

    waveform: Tensor
    captions: list[str]
    text_ids: Tensor
    clip_valid: Tensor
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class FrameBatch:
    """Clips, texts, and which text sounds in which frame of which clip; for the frame and prior losses.

    Parameters
    ----------
    waveform : Tensor
        (B, N) float32 tensor
    texts : list[str]
        K texts, no two with the same id; those after the last one are ""
    text_ids : Tensor
        (K,) int64 tensor; -1 for ""
    text_valid : Tensor
        (K,) bool tensor, False for ""
    labels : FrameLabels
        of the clips, against all that is known to be true of them, also what is not among ``texts``; clips that can't
        be read are silence, and False in ``labels.clip_valid``
    problems : tuple[str, ...], default ()
        why clips can't be read
    """

    waveform: Tensor
    texts: list[str]
    text_ids: Tensor
    text_valid: Tensor
    labels: FrameLabels
    problems: tuple[str, ...] = ()
