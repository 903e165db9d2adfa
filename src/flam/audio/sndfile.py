"""Reading with libsndfile: wav, flac, ogg, opus, mp3, aiff, caf, w64, au and more, sample-accurate everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from flam.core import AudioError

# libsndfile notes in its log where a chunk claims more bytes than the file has left; from this size on, the claim is
# the "unknown length" that programs write into a pipe.
CHUNK_SHORTAGE = re.compile(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
UNKNOWN_LENGTH_BYTES = 0x7FFF_F000


class SndfileReader:
    """An open file that libsndfile understands.

    Parameters
    ----------
    path : file to open
    on_problem : told, in one line, what is wrong with a file that can be read only in part

    Raises
    ------
    soundfile.LibsndfileError : libsndfile does not know the format
    """

    def __init__(self, path: Path, on_problem: Callable[[str], None]):
        self.path = path
        self._on_problem = on_problem
        try:
            self._file = soundfile.SoundFile(path)
        except TypeError as error:  # a suffix that soundfile takes for headerless samples
            raise AudioError(f"{path}: samples without a header have no known rate; convert them to wav") from error
        self.sample_rate: int = self._file.samplerate
        self.n_channels: int = self._file.channels
        self.n_samples: int | None = self._file.frames
        self.duration_s: float | None = self._file.frames / self.sample_rate

    def blocks(self, start_sample: int, block_samples: int) -> Iterator[np.ndarray]:
        """Yield (n, channels) float32 arrays from ``start_sample`` to the end, all but the last of equal length."""
        position, n_promised = start_sample, self._file.frames
        while position < n_promised:
            block, reason = self._read(position, min(block_samples, n_promised - position))
            position += len(block)
            if len(block):
                yield block
            if reason is not None or len(block) == 0:
                self._report_end(position, n_promised, reason)
                return
        shortage = CHUNK_SHORTAGE.search(self._file.extra_info)
        if shortage and int(shortage[2]) < int(shortage[1]) < UNKNOWN_LENGTH_BYTES:
            n_claimed = n_promised * int(shortage[1]) // max(1, int(shortage[2]))
            self._report_end(n_promised, n_claimed, None)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, position: int, n_samples: int) -> tuple[np.ndarray, str | None]:
        """Read up to ``n_samples``, and say why reading can't go on, if so."""
        block = np.zeros((n_samples, self.n_channels), np.float32)
        try:
            if self._file.tell() != position:
                self._file.seek(position)
            return self._file.read(out=block), None
        except soundfile.LibsndfileError as error:
            # what was decoded before the damage is in place, and the position tells how much
            n_decoded = min(max(self._file.tell() - position, 0), n_samples)
            return block[:n_decoded], error.error_string or "damaged data"

    def _report_end(self, n_read: int, n_promised: int, reason: str | None) -> None:
        cause = "" if reason is None else f" ({reason.rstrip('.')})"
        if n_read == 0:
            raise AudioError(f"{self.path}: holds none of the samples that its header promises{cause}; copy it again")
        self._on_problem(
            f"{self.path}: ends at {n_read / self.sample_rate:.3f} s of {n_promised / self.sample_rate:.3f} s that "
            f"its header promises{cause}; copy or export it again"
        )
