"""Reading with libsndfile: wav, flac, ogg, opus, mp3, aiff, caf, w64, au and more, sample-accurate everywhere."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import soundfile

from flam.audio.ogg import ogg_is_complete
from flam.core import AudioError

# libsndfile notes in its log where a chunk claims more bytes than the file has left; from this size on, the claim is
# the "unknown length" that programs write into a pipe.
CHUNK_SHORTAGE = re.compile(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
UNKNOWN_LENGTH_BYTES = 0x7FFF_F000
UNKNOWN_LENGTH_SAMPLES = 1 << 62
# The last page of an Ogg states its end, and encoders round it: up to as many samples as a packet holds at most.
VORBIS_PACKET_SAMPLES = 4096


class SequentialFile(soundfile.SoundFile):
    """A SoundFile that does not seek after each read as SoundFile does: mp3 loses samples when it seeks."""

    def seekable(self) -> bool:
        """Say no, which is all that keeps ``read`` from seeking; ``seek`` still works."""
        return False


class SndfileReader:
    """A file that libsndfile understands; each reading opens it for itself.

    Parameters
    ----------
    path : file to open
    on_problem : told, in one line, what is wrong with a file that can be read only in part

    Raises
    ------
    AudioError : the suffix stands for samples without a header
    soundfile.LibsndfileError : libsndfile does not know the format
    """

    def __init__(self, path: Path, on_problem: Callable[[str], None]):
        self.path = path
        self._on_problem = on_problem
        try:
            header = soundfile.info(native_name(path))
        except TypeError as error:  # a suffix that soundfile takes for headerless samples
            raise AudioError(f"{path}: samples without a header have no known rate; convert them to wav") from error
        # libsndfile guesses the length of an mp3 without a length header, and stops there even if more follows
        self.may_stop_early = header.format == "MP3" and not mp3_states_length(path)
        is_known = header.frames < UNKNOWN_LENGTH_SAMPLES and not self.may_stop_early
        self.sample_rate: int = header.samplerate
        self.n_channels: int = header.channels
        self.n_samples: int | None = header.frames if is_known else None
        self.duration_s: float | None = header.frames / self.sample_rate if is_known else None

    def blocks(self, start_sample: int, block_samples: int) -> Generator[np.ndarray]:
        """Yield (n, channels) float32 arrays from ``start_sample`` to the end, all but the last of equal length."""
        if self.n_samples is not None and start_sample >= max(1, self.n_samples):
            return
        with SequentialFile(native_name(self.path)) as file:
            self._go_to(file, start_sample, block_samples)
            position, reason = start_sample, None
            while reason is None:
                block, reason = self._read(file, block_samples)
                position += len(block)
                if len(block):
                    yield block
                if len(block) < block_samples:
                    break
            self._check_end(file, start_sample, position, reason)

    def _go_to(self, file: SequentialFile, start_sample: int, block_samples: int) -> None:
        if start_sample == 0:
            return  # a seek would fail in a file that is damaged at its beginning
        if self.n_samples is not None and file.format != "MP3":
            try:
                file.seek(start_sample)
                return
            except soundfile.LibsndfileError:
                file.seek(0)
        # libsndfile fails to seek in files of unknown length, and in mp3 it lands near the place, not on it
        for position in range(0, start_sample, block_samples):
            self._read(file, min(block_samples, start_sample - position))

    def _read(self, file: SequentialFile, n_samples: int) -> tuple[np.ndarray, str | None]:
        """Read up to ``n_samples``, and say why reading can't go on, if so."""
        block = np.full((n_samples, self.n_channels), np.nan, np.float32)
        try:
            return file.read(out=block), None
        except soundfile.LibsndfileError as error:
            decoded = ~np.isnan(block[:, 0])  # what was decoded before the damage is in place
            return block[: n_samples if decoded.all() else int(decoded.argmin())], error.error_string

    def _check_end(self, file: SequentialFile, start_sample: int, end_sample: int, reason: str | None) -> None:
        if self.may_stop_early:
            self._on_problem(
                f"{self.path}: this mp3 has no length header, its end may be missing; "
                'pip install "flam-audio[media]" to read all of it'
            )
        if file.format == "OGG" and end_sample > 0 and not ogg_is_complete(self.path):
            self._on_problem(
                f"{self.path}: ends at {end_sample / self.sample_rate:.3f} s without the mark that ends an Ogg stream, "
                "so more may have followed; copy or export it again"
            )
            return
        n_promised = self.n_samples
        shortage = CHUNK_SHORTAGE.search(file.extra_info)
        if n_promised is not None and shortage and int(shortage[2]) < int(shortage[1]) < UNKNOWN_LENGTH_BYTES:
            n_promised = max(1, n_promised) * int(shortage[1]) // max(1, int(shortage[2]))
        tolerance = VORBIS_PACKET_SAMPLES if file.format == "OGG" else 0
        if n_promised is None or end_sample >= n_promised - tolerance:
            return
        cause = "" if reason is None else f" ({reason.rstrip('.')})"
        if end_sample == start_sample == 0:
            raise AudioError(f"{self.path}: holds none of the samples that its header promises{cause}; copy it again")
        self._on_problem(
            f"{self.path}: ends at {end_sample / self.sample_rate:.3f} s of {n_promised / self.sample_rate:.3f} s that "
            f"its header promises{cause}; copy or export it again"
        )


def native_name(path: Path) -> str | bytes:
    """The path as the system has it: soundfile encodes names as strict UTF-8, which not every name on a disk is."""
    return str(path) if sys.platform == "win32" else os.fsencode(path)


def mp3_states_length(path: Path) -> bool:
    """Say whether the first frame of an mp3, after any ID3 tag, holds a Xing or Info header."""
    with open(path, "rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3" and len(head) == 10:
            # ID3v2.4 structure, 3.1: four bytes of seven bits count what follows the tag's ten bytes of header
            file.seek(10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)))
        first_frame = file.read(1500)
    return b"Xing" in first_frame or b"Info" in first_frame
