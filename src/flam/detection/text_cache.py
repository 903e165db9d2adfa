"""Texts are encoded once: the text tower costs more than all scoring, and users ask for the same prompts again."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from flam.core import ModelError
from flam.detection.backends.base import TextFeatures

DEFAULT_CAPACITY = 16_384

logger = logging.getLogger(__name__)


class TextCache:
    """Remembers the features of the texts used last; any number may be asked for at once.

    Parameters
    ----------
    embed : callable
        Gives the features of K texts, K may be 0.
    problems : callable
        Gives a line for each text that can be read only in part, or not at all; logged as a warning, once.
    capacity : int
        Texts that are remembered; a text takes 1 to 2 kB.

    Examples
    --------
    >>> asked = []
    >>> def embed(texts):
    ...     asked.extend(texts)
    ...     return TextFeatures(np.ones((len(texts), 2)), np.ones(len(texts)), np.zeros(len(texts)))
    >>> cache = TextCache(embed, lambda texts: [])
    >>> cache(["dog", "rain"]).text_features.shape, cache(["rain", "wind", "rain"]).logit_scale.shape
    ((2, 2), (3,))
    >>> asked
    ['dog', 'rain', 'wind']
    """

    def __init__(
        self,
        embed: Callable[[Sequence[str]], TextFeatures],
        problems: Callable[[Sequence[str]], list[str]],
        capacity: int = DEFAULT_CAPACITY,
    ):
        self._embed, self._problems = embed, problems
        self._capacity = capacity
        self._rows: OrderedDict[str, TextFeatures] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> TextFeatures:
        """Features, scale and bias of K texts, in their order.

        Raises
        ------
        ModelError
            A text that is empty or no string, or one string instead of several.
        """
        if isinstance(texts, str):
            raise ModelError(f"prompts {texts!r} are one string; give a list of strings")
        for text in texts:
            if not isinstance(text, str):
                raise ModelError(f"prompt {text!r} is no text; give strings")
        unique = list(dict.fromkeys(texts))
        with self._lock:
            rows = {text: self._rows[text] for text in unique if text in self._rows}
            missing = [text for text in unique if text not in rows]
            if missing or not unique:
                fresh = self._embed(missing)
                for problem in self._problems(missing):
                    logger.warning(problem)
                if not unique:
                    return fresh
                rows |= {text: TextFeatures(*(part[k].copy() for part in fresh)) for k, text in enumerate(missing)}
            for text in unique:
                self._rows[text] = rows[text]
                self._rows.move_to_end(text)
            while len(self._rows) > self._capacity:
                self._rows.popitem(last=False)
        return TextFeatures(*(np.stack([rows[text][part] for text in texts]) for part in range(3)))
