"""Kinds of sound: a hit is over at once and comes again, a hum goes on; what smooths the one swallows the other."""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SoundKind:
    """How sounds that last alike become events; None takes the value of ``DetectionConfig``.

    Parameters
    ----------
    texts : tuple of str
        Examples. A prompt is of the kind whose example is nearest to it in the model's joint space.
    median_s, min_duration_s, merge_gap_s : float, optional
        See ``DetectionConfig``, seconds.
    low_share : float, optional
        The low threshold as a share of the high one, in (0, 1]: near 1 for sounds that come one after another.
    """

    texts: tuple[str, ...]
    median_s: float | None = None
    min_duration_s: float | None = None
    merge_gap_s: float | None = None
    low_share: float | None = None

    def __post_init__(self) -> None:
        if not self.texts:
            raise ValueError("texts is empty; give at least one example of the kind")
        for name in ("median_s", "min_duration_s", "merge_gap_s"):
            seconds = getattr(self, name)
            if seconds is not None and not 0 <= seconds < float("inf"):
                raise ValueError(f"{name} {seconds} must be finite and >= 0 seconds; 0 turns it off")
        if self.low_share is not None and not 0 < self.low_share <= 1:
            raise ValueError(f"low_share {self.low_share} must be within (0, 1]; 0.85 is the usual value")


def nearest_kinds(
    prompts: Sequence[str], kinds: Mapping[str, SoundKind], embed: Callable[[Sequence[str]], np.ndarray]
) -> dict[str, str]:
    """Name the kind of each prompt: that of the example with the highest cosine.

    Parameters
    ----------
    prompts : sequence of str
        K texts.
    kinds : mapping of str to SoundKind
        At least one.
    embed : callable
        Texts to (K, D) features of length 1.

    Returns
    -------
    dict of str to str
        Prompt to the name of its kind.

    Examples
    --------
    >>> places = {"bang": [1.0, 0.0], "hum": [0.0, 1.0], "shot": [0.8, 0.6]}
    >>> kinds = {"hits": SoundKind(("bang",)), "drones": SoundKind(("hum",))}
    >>> nearest_kinds(["shot"], kinds, lambda texts: np.array([places[text] for text in texts]))
    {'shot': 'hits'}
    """
    if not prompts:
        return {}
    owners = [name for name, kind in kinds.items() for _ in kind.texts]
    examples = embed([text for kind in kinds.values() for text in kind.texts])
    nearest = (embed(prompts) @ examples.T).argmax(axis=1)
    return {prompt: owners[place] for prompt, place in zip(prompts, nearest.tolist(), strict=True)}


def everyday_prompts() -> tuple[str, ...]:
    """Three hundred sounds of home, street, work, animals, people, weather and music.

    Examples
    --------
    >>> len(everyday_prompts())
    300
    """
    path = importlib.resources.files("flam") / "assets" / "prompts" / "everyday.txt"
    return tuple(line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
