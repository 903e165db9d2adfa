"""The samples of a waveform bank where a device can reach them: in its own memory, or sent there as they are needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from flam.library.bank import WaveformBank

# A bank that would take more of the device's free memory stays in the host's.
LARGEST_SHARE = 0.5


class DeviceBank:
    """A bank whose parts can be had on a device.

    Parameters
    ----------
    bank : WaveformBank
        the clips, 16-bit
    device : torch.device
        where the parts are wanted
    resident : bool | None, optional
        whether all samples live there; None to decide by what memory is free. Otherwise the parts of a batch are
        gathered in pinned memory of the host and sent together
    """

    def __init__(self, bank: WaveformBank, device: torch.device, resident: bool | None = None):
        self.bank, self.device = bank, device
        if resident is None:
            resident = (
                device.type == "cuda" and bank.samples.nbytes <= LARGEST_SHARE * torch.cuda.mem_get_info(device)[0]
            )
        self._resident = torch.tensor(bank.samples, device=device) if resident else None

    def parts(self, places: Sequence[tuple[str, int, int]]) -> list[Tensor]:
        """Parts of clips as they lie in the bank.

        Parameters
        ----------
        places : Sequence[tuple[str, int, int]]
            (clip id, first sample, number of samples) of each part, within its clip

        Returns
        -------
        list[Tensor]
            for each part an (N,) int16 tensor on the device, not to be changed; times ``bank.scale`` it is the waveform
        """
        spans = [(self.bank.start(clip_id) + first, length) for clip_id, first, length in places]
        if self._resident is not None:
            return [self._resident[start : start + length] for start, length in spans]
        return sent([self.bank.samples[start : start + length] for start, length in spans], self.device)


def sent(arrays: Sequence[np.ndarray], device: torch.device) -> list[Tensor]:
    """Copies of arrays of one type on a device, sent together.

    Examples
    --------
    >>> sent([np.zeros(2, np.int16), np.ones(1, np.int16)], torch.device("cpu"))
    [tensor([0, 0], dtype=torch.int16), tensor([1], dtype=torch.int16)]
    """
    if not arrays:
        return []
    lengths = [len(array) for array in arrays]
    dtype = torch.from_numpy(np.empty(0, arrays[0].dtype)).dtype
    gathered = torch.empty(sum(lengths), dtype=dtype, pin_memory=device.type == "cuda")
    np.concatenate(arrays, out=gathered.numpy())
    return list(gathered.to(device, non_blocking=True).split(lengths))
