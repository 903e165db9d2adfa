"""A leak test: can the label of a sound be told from its recorder alone, as training hears it?

The probe sees four things that a recorder leaves in a log-mel spectrogram and none of what the sound is: up to which
band there is anything, how loud the loudest moment is, what share of the frames is digital silence, and whether the
scene begins and ends in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flam.library.source_library import SourceClip

FEWEST_SCENES = 20
N_BINS = 8
SILENCE_DB = -99.0
BELOW_LOUDEST_DB = 60.0
RIDGE = 1.0


@dataclass(frozen=True)
class Leak:
    """What a probe reaches on scenes it was not fitted on.

    Parameters
    ----------
    accuracy : share of the scenes whose label it names
    chance : share that the best guess without looking names, with the same label always or by the labels' rates
    """

    accuracy: float
    chance: float

    @property
    def above_chance(self) -> float:
        """How much the recorder gives away."""
        return self.accuracy - self.chance


def recorder_traits(logmel: np.ndarray) -> np.ndarray:
    """(N, 5) traits of the recorder of (N, T, F) log-mel in dB: highest band, level, silent share, and silent ends.

    >>> quiet = np.full((1, 4, 8), -100.0)
    >>> quiet[0, 1:3, :4] = -20.0
    >>> recorder_traits(quiet).tolist()
    [[3.0, -20.0, 0.5, 1.0, 1.0]]
    """
    by_band = logmel.max(axis=1)
    loudest = by_band.max(axis=1)
    heard = by_band > np.maximum(loudest - BELOW_LOUDEST_DB, SILENCE_DB)[:, None]
    highest = logmel.shape[2] - 1 - heard[:, ::-1].argmax(axis=1)
    silent = logmel.max(axis=2) <= SILENCE_DB
    return np.stack([highest, loudest, silent.mean(axis=1), silent[:, 0], silent[:, -1]], axis=1).astype(np.float64)


def leak(traits: np.ndarray, labels: Sequence[int] | np.ndarray, seed: int = 0) -> Leak:
    """Fit a linear probe on binned traits, and pairs of them, of half the scenes; name the labels of the other half.

    Labels weigh alike: the accuracy is the mean over labels, so that chance is one over their number.
    """
    labels = np.asarray(labels)
    names, answers = np.unique(labels, return_inverse=True)
    binned = np.stack([_bins(column) for column in traits.T], axis=1)
    pair = binned[:, 0] * N_BINS + binned[:, 1]
    inputs = np.concatenate([np.eye(N_BINS)[column] for column in binned.T] + [np.eye(N_BINS**2)[pair]], axis=1)
    order = np.random.default_rng(seed).permutation(len(labels))
    fitted, judged = order[::2], order[1::2]
    weights = 1 / np.bincount(answers[fitted], minlength=len(names)).clip(min=1)[answers[fitted]]
    targets = np.eye(len(names))[answers[fitted]]
    weighted = inputs[fitted] * weights[:, None]
    gram = weighted.T @ inputs[fitted] + RIDGE * weights.mean() * np.eye(inputs.shape[1])
    solution = np.linalg.solve(gram, weighted.T @ targets)
    right = (inputs[judged] @ solution).argmax(axis=1) == answers[judged]
    by_label = [right[answers[judged] == k].mean() for k in range(len(names)) if (answers[judged] == k).any()]
    return Leak(float(np.mean(by_label)), 1 / len(names))


def label_leaks(logmel: np.ndarray, labels: Sequence[str], clips: Sequence[SourceClip]) -> dict[str, dict[str, float]]:
    """Leaks of scenes that hold one sound: among the frequent labels, and of sources that share a published fold.

    Where the clips of one published set come from several sources, as those of ESC-50 do, a probe that tells the
    sources tells the labels too.
    """
    traits, named = recorder_traits(logmel), np.asarray(labels)
    counts = Counter(labels)
    questions: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    frequent = np.array([bool(label) and counts[label] >= FEWEST_SCENES for label in labels])
    if frequent.any():
        questions["label"] = (frequent, named)
    by_source: dict[str, set[str]] = {}
    for clip in clips:
        if clip.fold:
            by_source.setdefault(clip.source, set()).add(clip.label)
    if len(by_source) > 1:
        source_of = {label: source for source, of_source in sorted(by_source.items()) for label in of_source}
        sources = np.array([source_of.get(label, "") for label in labels])
        questions["source of a fold"] = (sources != "", sources)
    found = {}
    for question, (chosen, answers) in questions.items():
        measured = leak(traits[chosen], np.unique(answers[chosen], return_inverse=True)[1])
        found[question] = {
            "n_scenes": int(chosen.sum()),
            "accuracy": round(measured.accuracy, 4),
            "chance": round(measured.chance, 4),
            "above_chance": round(measured.above_chance, 4),
        }
    return found


def _bins(column: np.ndarray) -> np.ndarray:
    edges = np.unique(np.quantile(column, np.linspace(0, 1, N_BINS + 1)[1:-1]))
    return np.searchsorted(edges, column, side="left").clip(max=N_BINS - 1)
