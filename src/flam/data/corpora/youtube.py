"""Finding clips of YouTube videos: corpora publish ids and times, and every downloader names files its own way."""

from __future__ import annotations

import re
from pathlib import Path

from flam.audio import find_recordings
from flam.core import AudioError
from flam.data.corpora.corpus import CorpusError, OnProblem

ID_LENGTH = 11
# "Y" is put before ids so that no file name begins with "-"; an id may itself begin with Y
_STEM = re.compile(r"(?:Y(?=.{11}(?:_|$)))?(?P<video>.{11})(?:_.*)?")


class YoutubeClips:
    """The recordings below a folder, by the names that downloaders give to clips.

    Known names of the clip that starts at 30 s of video ``b0RFKhbpFJA``: ``b0RFKhbpFJA_30000`` (AudioSet's own
    segment id, milliseconds), ``b0RFKhbpFJA_30_40`` and ``b0RFKhbpFJA_30.000_40.000`` (DCASE), ``b0RFKhbpFJA_000030``
    (VGGSound), ``b0RFKhbpFJA_30`` (aac-datasets), ``b0RFKhbpFJA``, and each with a Y before it (PANNs, WavCaps).

    Parameters
    ----------
    folder : Path
        searched with all folders below it
    on_problem : OnProblem
        called with a line for each folder or link that can't be followed

    Raises
    ------
    CorpusError
        the folder can't be listed

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "Y-0RWZT-miFs_420_430.wav").write_bytes(b"")
    >>> YoutubeClips(folder, print).find("-0RWZT-miFs", 420).name
    'Y-0RWZT-miFs_420_430.wav'
    """

    def __init__(self, folder: Path, on_problem: OnProblem):
        self.folder = folder
        self._by_stem: dict[str, Path] = {}
        self._by_video: dict[str, Path] = {}
        try:
            for path in find_recordings([folder], on_problem):
                self._by_stem.setdefault(path.stem, path)
                video = _STEM.fullmatch(path.stem)
                if video:
                    self._by_video.setdefault(video["video"], path)
        except AudioError as error:
            raise CorpusError(str(error)) from error

    def find(self, video: str, start_s: float, duration_s: float = 10.0, other_stems: tuple[str, ...] = ()) -> Path:
        """Where a clip lies, or would lie if it were there.

        Parameters
        ----------
        video : str
            id of the video
        start_s : float
            the clip's place in it
        duration_s : float, default 10.0
            the clip's place in it
        other_stems : tuple[str, ...], default ()
            further names, without suffix, that a file of this clip may have
        """
        stems = (*_stems(video, start_s, start_s + duration_s), *other_stems)
        for stem in stems:
            if stem in self._by_stem:
                return self._by_stem[stem]
        return self.folder / "audio" / f"{stems[0]}.wav"

    def find_video(self, video: str) -> Path:
        """Where any clip of a video lies, or would lie, for corpora that do not say when their clips start."""
        return self._by_video.get(video, self.folder / "audio" / f"{video}.wav")


def _stems(video: str, start_s: float, end_s: float) -> list[str]:
    whole = int(start_s)
    plain = [
        f"{video}_{round(start_s * 1000)}",
        f"{video}_{whole}_{int(end_s)}",
        f"{video}_{start_s:.3f}_{end_s:.3f}",
        f"{video}_{whole:06d}",
        f"{video}_{whole}",
        video,
    ]
    return [*plain, *(f"Y{stem}" for stem in plain)]


def video_of(stem: str) -> str:
    """The id in the name of a clip; empty where the name holds none.

    Examples
    --------
    >>> video_of("Y-0RWZT-miFs_420.000_430.000"), video_of("YxlGt805lTA_30000"), video_of("12")
    ('-0RWZT-miFs', 'YxlGt805lTA', '')
    """
    match = _STEM.fullmatch(stem)
    return match["video"] if match else ""
