"""What systems said, kept on the disk: asking again costs no model time, and a run that was stopped goes on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from flam.benchmark.benchmark import Item
from flam.benchmark.system import HasOperatingPoint, System
from flam.core import FlamError, FrameScores, atomic_path, atomic_text, from_mapping, parse_json, to_mapping
from flam.detection import DetectionConfig
from flam.jobs.manifest import make_folder


class ScoreStore:
    """Answers by system, question and recording; a recording that changed is another one.

    Parameters
    ----------
    folder : Path
        made when it is needed

    Attributes
    ----------
    n_computed
        answers that were not there

    Examples
    --------
    >>> import tempfile
    >>> class Length:
    ...     name, fingerprint = "length", "length-1"
    ...     def text_features(self, texts):
    ...         return np.array([[float(len(text))] for text in texts])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = ScoreStore(Path(folder))
    ...     first, again = (store.text_features(Length(), ["dog"]) for _ in range(2))
    >>> first.tolist() == again.tolist(), store.n_computed
    (True, 1)
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self.n_computed = 0

    def frame_scores(self, system: System, item: Item, prompts: Sequence[str]) -> FrameScores:
        """Scores of a recording.

        Raises
        ------
        FlamError
            what the system raises, or scores that are of other prompts, not finite, or not a whole recording
        """
        path = self._place("frames", system, *prompts, *_stamp(item.path)).with_suffix(".npz")
        if path.exists():
            with contextlib.suppress(FlamError):  # one that was damaged is asked again
                return FrameScores.load(path)
        scores = system.frame_scores(item.path, prompts)
        if scores.prompts != tuple(prompts) or scores.start_frame != 0 or len(scores.scores) == 0:
            raise FlamError(
                f"{system.name} gave {len(scores.scores)} frames from {scores.start_frame} on for "
                f"{len(scores.prompts)} prompts; a system gives the whole recording, for the {len(prompts)} it is asked"
            )
        _require_finite(system, scores.scores, "scores")
        self._count(path)
        with atomic_path(path) as part:
            scores.save(part)
        return scores

    def audio_features(self, system: System, item: Item) -> np.ndarray:
        """(D,) vector of a recording.

        Raises
        ------
        FlamError
            what the system raises, or features that are not finite
        """
        path = self._place("audio", system, *_stamp(item.path)).with_suffix(".npy")
        return self._kept(path, system, lambda: system.audio_features(item.path))

    def text_features(self, system: System, texts: Sequence[str]) -> np.ndarray:
        """(K, D) vectors of texts; raises as ``audio_features``."""
        path = self._place("text", system, *texts).with_suffix(".npy")
        return self._kept(path, system, lambda: system.text_features(texts))

    def operating_point(self, system: System, prompts: Sequence[str]) -> DetectionConfig | None:
        """The rules by which the system makes events of its scores; None for a system without."""
        if not isinstance(system, HasOperatingPoint):
            return None
        path = self._place("rules", system, *prompts).with_suffix(".json")
        if not path.exists():
            rules = system.operating_point(prompts)
            self._count(path)
            with atomic_text(path) as file:
                json.dump(None if rules is None else to_mapping(rules), file)
        stored = parse_json(path.read_bytes(), str(path), remedy="delete it to make it again")
        return None if stored is None else from_mapping(DetectionConfig, stored, str(path))

    def _kept(self, path: Path, system: System, ask: Callable[[], np.ndarray]) -> np.ndarray:
        if path.exists():
            with contextlib.suppress(OSError, ValueError, EOFError):
                return np.array(np.load(path, mmap_mode="r"))  # refuses a header that claims more than there is
        features = ask()
        _require_finite(system, features, "features")
        self._count(path)
        with atomic_path(path) as part, open(part, "wb") as file:
            np.save(file, features)
        return features

    def _count(self, path: Path) -> None:
        make_folder(path.parent)
        self.n_computed += 1

    def _place(self, kind: str, system: System, *question: str) -> Path:
        """Where an answer lies, in one of 256 folders, so that none gets too full."""
        who = hashlib.sha256(system.fingerprint.encode()).hexdigest()[:16]
        what = hashlib.sha256("\n".join(question).encode()).hexdigest()[:32]
        return self._folder / "scores" / who / kind / what[:2] / what


def _stamp(path: Path) -> tuple[str, str, str]:
    status = path.stat()
    return os.path.realpath(path), str(status.st_size), str(status.st_mtime_ns)


def _require_finite(system: System, values: np.ndarray, what: str) -> None:
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise FlamError(
            f"{system.name} gave {n_bad} of {values.size} {what} that are not finite; find out what made them so"
        )
