"""Samples that a header promises and a file does not hold, as libsndfile notes them in its log."""

from __future__ import annotations

import re

# From this size on, a claim is the "unknown length" that programs write into a pipe.
UNKNOWN_LENGTH_BYTES = 0x7FFF_F000
# WAV, AIFF, AU and SVX; WVE; MAT4: bytes promised and bytes there
_SHORTAGES = (
    re.compile(r"^ *(?:data|SSND|Data Size|BODY) *: (?P<promised>\d+) \(should be (?P<found>\d+)\)", re.MULTILINE),
    re.compile(r"^ *Data length (?P<promised>\d+) should be (?P<found>\d+)", re.MULTILINE),
    re.compile(r"truncated\. (?P<found>\d+) <--> (?P<promised>\d+)"),
)
# AVR, MPC2K and SDS; MATLAB, whose last matrix is the sound
_COUNT = re.compile(r"(?:^ *Frames|Rows : \d+ +Cols) *: (\d+)", re.MULTILINE)
FORMATS_WITH_COUNT = ("AVR", "MAT5", "MPC2K")
SAMPLE_DUMP = "SDS"


def promised_samples(log: str, format: str, n_samples: int) -> int:
    """Length that the header of a file states.

    Parameters
    ----------
    log : str
        Of libsndfile, as ``soundfile.SoundFile.extra_info`` gives it.
    format : str
        As libsndfile names it.
    n_samples : int
        Length that libsndfile makes of it.

    Returns
    -------
    int
        Samples, ``n_samples`` where no more are promised.

    Examples
    --------
    >>> promised_samples("data : 2000 (should be 500)", "WAV", 250), promised_samples("Frames : 900", "AVR", 300)
    (1000, 900)
    """
    for pattern in _SHORTAGES:
        if match := pattern.search(log):
            promised, found = int(match["promised"]), int(match["found"])
            if found < promised < UNKNOWN_LENGTH_BYTES:
                return max(1, n_samples) * promised // max(1, found)
    counts = _COUNT.findall(log) if format in FORMATS_WITH_COUNT else ()
    return max(n_samples, int(counts[-1])) if counts else n_samples


def samples_there(log: str, format: str, n_samples: int) -> int:
    """Length of what a file holds: of a sample dump that was cut off, libsndfile makes up the rest.

    Examples
    --------
    >>> samples_there("Frames : 900", "SDS", 1000), samples_there("Frames : 900", "WAV", 1000)
    (900, 1000)
    """
    counts = _COUNT.findall(log) if format == SAMPLE_DUMP else ()
    return min(n_samples, int(counts[-1])) if counts else n_samples
