"""Reading with libsndfile: wav, flac, ogg, opus, mp3, aiff, caf, w64, au and more, sample-accurate everywhere."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile

from flam.audio.byte_source import ByteSource, Part
from flam.audio.combined import reblock
from flam.audio.promised import promised_samples, samples_there
from flam.core import AudioError

# how libmpg123 begins its lines; everything else that reaches the terminal meanwhile is passed on
_MPG123 = re.compile(rb"^(?:Warning: |Note: |\[src/libmpg123/|Illegal Audio-MPEG|big_values|\s*$)")
_lock = threading.RLock()
# RFC 3533, section 6: 27 bytes, then a table of up to 255 lengths, then what they add up to
CAPTURE_PATTERN, FLAGS_AT, TABLE_LENGTH_AT, TABLE_AT = b"OggS", 5, 26, 27
END_OF_STREAM = 4
LARGEST_PAGE_BYTES = 65_307
UNKNOWN_LENGTH_SAMPLES = 1 << 62
# The last page of an Ogg states its end, and encoders round it: up to as many samples as a packet holds at most.
VORBIS_PACKET_SAMPLES = 4096


@contextmanager
def caught_stderr(lines: list[str]) -> Iterator[None]:
    """Add what libmpg123 prints within the block to ``lines``; what others print appears when the block ends.

    One thread at a time catches; file descriptors belong to the whole process, so keep the block short.
    """
    with _lock:
        try:
            kept = os.dup(2)
        except OSError:  # a program without a terminal
            yield
            return
        try:
            with tempfile.TemporaryFile() as caught:
                os.dup2(caught.fileno(), 2)
                try:
                    yield
                finally:
                    os.dup2(kept, 2)
                    caught.seek(0)
                    for line in caught.read().splitlines(keepends=True):
                        if _MPG123.match(line):
                            lines.append(line.decode("utf-8", "replace").strip())
                        else:
                            os.write(2, line)
        finally:
            os.close(kept)


def ogg_is_complete(file: BinaryIO) -> bool:
    """Say whether the last page of an Ogg file is whole and marked as the end of its stream; closes the file."""
    with file:
        n_bytes = file.seek(0, 2)
        file.seek(max(0, n_bytes - LARGEST_PAGE_BYTES))
        tail = file.read()
    page = tail[max(0, tail.rfind(CAPTURE_PATTERN)) :]
    if len(page) < TABLE_AT:
        return False
    table = page[TABLE_AT : TABLE_AT + page[TABLE_LENGTH_AT]]
    is_whole = len(page) >= TABLE_AT + page[TABLE_LENGTH_AT] + sum(table)
    return is_whole and bool(page[FLAGS_AT] & END_OF_STREAM)


class SequentialFile(soundfile.SoundFile):
    """A SoundFile that does not seek after each read as SoundFile does: mp3 loses samples when it seeks."""

    def seekable(self) -> bool:
        """Say no, which is all that keeps ``read`` from seeking; ``seek`` still works."""
        return False


class SndfileReader:
    """A file that libsndfile understands; each reading opens it for itself.

    Parameters
    ----------
    source : ByteSource
        Bytes to decode.
    on_problem : callable
        Told, in one line, what is wrong with a file that can be read only in part.
    parts : sequence of Part, optional
        Parts of the bytes that make up the recording; all by default.

    Raises
    ------
    AudioError
        The suffix stands for samples without a header.
    soundfile.LibsndfileError
        libsndfile does not know the format.
    """

    def __init__(self, source: ByteSource, on_problem: Callable[[str], None], parts: Sequence[Part] | None = None):
        self.name = source.name
        self._source = source
        self._parts = parts
        self._on_problem = on_problem
        self._decoder_lines: list[str] = []
        self._is_mp3 = False
        with self._quiet(always=True), self._open() as file:
            self._is_mp3 = file.format == "MP3"
            self.sample_rate: int = file.samplerate
            self.n_channels: int = file.channels
            is_known = file.frames < UNKNOWN_LENGTH_SAMPLES
            self.n_samples: int | None = file.frames if is_known else None
            self.duration_s: float | None = file.frames / self.sample_rate if is_known else None

    def _open(self) -> SequentialFile:
        path = self._source.path
        try:
            if self._parts is None and path is not None:
                return SequentialFile(native_name(path))
            if path is not None and path.suffix.lower() == ".raw":
                raise TypeError
            return SequentialFile(self._source.open(self._parts))
        except TypeError as error:  # a suffix that soundfile takes for headerless samples
            raise AudioError(
                f"{self.name}: samples without a header have no known rate; convert them to wav"
            ) from error

    def _quiet(self, always: bool = False) -> AbstractContextManager[Any]:
        """Only libmpg123 prints to the terminal."""
        return caught_stderr(self._decoder_lines) if always or self._is_mp3 else nullcontext()

    def blocks(self, start_sample: int, block_samples: int) -> Generator[np.ndarray]:
        """Yield (n, channels) float32 arrays from ``start_sample`` to the end, all but the last of equal length."""
        if self.n_samples is not None and start_sample >= max(1, self.n_samples):
            return
        yield from reblock(self._pieces(start_sample, block_samples), block_samples)

    def _pieces(self, start_sample: int, block_samples: int) -> Iterator[np.ndarray]:
        with self._at(start_sample, block_samples) as file:
            position, reason = start_sample, None
            while reason is None:
                block, reason = self._read(file, block_samples)
                position += len(block)
                if len(block):
                    yield block
                if len(block) < block_samples:
                    break
            if reason is not None and file.format == "FLAC" and importlib.util.find_spec("av") is not None:
                damaged_at = position
                for block in self._behind_damage(position, block_samples):
                    position += len(block)
                    yield block
                if position > damaged_at:
                    self._on_problem(
                        f"{self.name}: is damaged at {damaged_at / self.sample_rate:.3f} s ({reason.rstrip('.')}); "
                        "what can't be decoded there is silence; copy it again"
                    )
            self._check_end(file, start_sample, position, reason)

    def _behind_damage(self, position: int, block_samples: int) -> Iterator[np.ndarray]:
        """FFmpeg finds the next whole frame of a FLAC, where libsndfile gives up."""
        from flam.audio.media import MediaReader

        try:
            rest = MediaReader(self._source, lambda problem: None, parts=self._parts)
            yield from rest.blocks(position, block_samples)
        except AudioError:
            return  # nothing can be decoded behind the damage either

    def _at(self, start_sample: int, block_samples: int) -> SequentialFile:
        """The file, open, its next sample the one wanted."""
        with self._quiet():
            file = self._open()
        if start_sample == 0:
            return file
        if self.n_samples is not None and not self._is_mp3:
            try:
                file.seek(start_sample)
                return file
            except soundfile.LibsndfileError:  # GSM 6.10, G.721, DWVW: these are decoded up to the place
                file.close()
                file = self._open()
        # libsndfile fails to seek in files of unknown length, and in mp3 it lands near the place, not on it
        for position in range(0, start_sample, block_samples):
            self._read(file, min(block_samples, start_sample - position))
        return file

    def _read(self, file: SequentialFile, n_samples: int) -> tuple[np.ndarray, str | None]:
        """Read up to ``n_samples``, and say why reading can't go on, if so."""
        block = np.full((n_samples, self.n_channels), np.nan, np.float32)
        try:
            with self._quiet():
                return file.read(out=block), None
        except soundfile.LibsndfileError as error:
            decoded = ~np.isnan(block[:, 0])  # what was decoded before the damage is in place
            return block[: n_samples if decoded.all() else int(decoded.argmin())], error.error_string

    def _check_end(self, file: SequentialFile, start_sample: int, end_sample: int, reason: str | None) -> None:
        if file.format == "OGG" and end_sample > 0 and not ogg_is_complete(self._source.open(self._parts)):
            self._on_problem(
                f"{self.name}: ends at {end_sample / self.sample_rate:.3f} s without the mark that ends an Ogg stream, "
                "so more may have followed; copy or export it again"
            )
            return
        n_promised = self.n_samples
        if n_promised is not None:
            end_sample = samples_there(file.extra_info, file.format, end_sample)
            n_promised = promised_samples(file.extra_info, file.format, n_promised)
        tolerance = VORBIS_PACKET_SAMPLES if file.format == "OGG" else 0
        if n_promised is None or end_sample >= n_promised - tolerance:
            self._tell_of_damage()
            return
        cause = "" if reason is None else f" ({reason.rstrip('.')})"
        if end_sample == start_sample == 0:
            raise AudioError(f"{self.name}: holds none of the samples that its header promises{cause}; copy it again")
        self._on_problem(
            f"{self.name}: ends at {end_sample / self.sample_rate:.3f} s of {n_promised / self.sample_rate:.3f} s that "
            f"its header promises{cause}; copy or export it again"
        )

    def _tell_of_damage(self) -> None:
        damage = [line for line in self._decoder_lines if " error: " in line]
        if damage:
            self._on_problem(
                f"{self.name}: {len(damage)} frames or parts of them can't be decoded "
                f"({damage[0].partition(' error: ')[2].rstrip('.')}); copy or export it again"
            )


def native_name(path: Path) -> str | bytes:
    """The path as the system has it: soundfile encodes names as strict UTF-8, which not every name on a disk is."""
    return str(path) if sys.platform == "win32" else os.fsencode(path)
