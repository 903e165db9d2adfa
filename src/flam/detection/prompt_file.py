"""The prompts to listen for and what is known of each: plain text, one a line, or YAML with thresholds and the rest."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from flam.core import ConfigError, Event, FrameScores, ScoreMethod, atomic_text, from_mapping, read_text, to_mapping
from flam.core.documents import parse_yaml
from flam.detection.config import DetectionConfig, PromptSettings

YAML_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Probability:
    """The probability that an event is right, from its maximum score: ``sigmoid(offset + slope * logit(score))``.

    Parameters
    ----------
    offset : float
        Log odds at a score of 0.5.
    slope : float
        Above 0.

    Examples
    --------
    >>> round(Probability(offset=-2.0, slope=1.0).of(0.9), 3)
    0.549
    """

    offset: float
    slope: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.offset) and math.isfinite(self.slope) and self.slope > 0):
            raise ValueError(
                f"offset {self.offset} and slope {self.slope} must be finite, the slope above 0; fit again"
            )

    def of(self, score: float) -> float:
        """The probability at a maximum score in [0, 1]."""
        clipped = min(max(score, 1e-6), 1 - 1e-6)  # float32 scores can't tell more
        log_odds = self.offset + self.slope * math.log(clipped / (1 - clipped))
        return 0.5 * (1.0 + math.tanh(0.5 * log_odds))


@dataclass(frozen=True)
class PromptEntry:
    """One prompt of a prompts file.

    Parameters
    ----------
    prompt : str
        What events are called, and the first text that is listened for.
    alternatives : tuple of str
        Other texts for the same sound; the highest score counts.
    negatives : tuple of str
        Sounds that must not be mistaken for this prompt: where one of them scores higher, this prompt scores 0.
    threshold : float, optional
        An event's maximum score reaches it; None leaves it to the model and the command line.
    threshold_for_precision : dict
        Precision in (0, 1) to the threshold that a review found for it, for the precisions that can be had.
    min_duration_s : float, optional
        Shorter events are dropped, seconds.
    probability : Probability, optional
        Probability of an event, fitted in a review.
    score : {"posterior", "unbiased", "approximate"}, optional
        The kind of score that threshold and probability belong to.
    n : int, optional
        Answers that they rest on.
    model_id : str, optional
        Content hash of the model that they belong to.

    Raises
    ------
    ValueError
        If a text is empty or a number is out of range.
    """

    prompt: str
    alternatives: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    threshold: float | None = None
    threshold_for_precision: dict[float, float] = field(default_factory=dict, hash=False)
    min_duration_s: float | None = None
    probability: Probability | None = None
    score: ScoreMethod | None = None
    n: int | None = None
    model_id: str | None = None

    def __post_init__(self) -> None:
        for text in (self.prompt, *self.alternatives, *self.negatives):
            if not text.strip():
                raise ValueError(
                    f"text {text!r} of prompt {self.prompt!r} is empty; write what the sound is, or drop it"
                )
        shared = {self.prompt, *self.alternatives} & set(self.negatives)
        if shared:
            raise ValueError(
                f"text {min(shared)!r} of prompt {self.prompt!r} is also its negative; take one of them out"
            )
        self.settings()  # checks the ranges
        for precision, threshold in self.threshold_for_precision.items():
            if not (0 < precision < 1 and 0 < threshold <= 1):
                raise ValueError(f"threshold {threshold} for precision {precision} must be within (0, 1); review again")

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that are listened for: the prompt and its alternatives."""
        return tuple(dict.fromkeys((self.prompt, *self.alternatives)))

    def settings(self) -> PromptSettings:
        """What differs for this prompt in a ``DetectionConfig``."""
        return PromptSettings(threshold=self.threshold, min_duration_s=self.min_duration_s)


@dataclass(frozen=True)
class PromptList:
    """Prompts in the order in which they were asked for.

    A model scores ``texts``; ``combine`` makes the scores of the prompts from those, and ``finish`` adds the fitted
    probabilities to events. For a list of plain prompts both change nothing.

    Parameters
    ----------
    prompts : tuple of PromptEntry
        Each prompt once.

    Raises
    ------
    ValueError
        If a prompt is given twice.

    Examples
    --------
    >>> dog = PromptEntry("dog barking", alternatives=("woof",), negatives=("wolf howling",))
    >>> prompts = PromptList((dog, PromptEntry("siren")))
    >>> prompts.names
    ('dog barking', 'siren')
    >>> prompts.texts
    ('dog barking', 'woof', 'siren', 'wolf howling')
    """

    prompts: tuple[PromptEntry, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for entry in self.prompts:
            if entry.prompt in seen:
                raise ValueError(f"prompt {entry.prompt!r} is given twice; keep one of them")
            seen.add(entry.prompt)

    @staticmethod
    def of(prompts: Iterable[str | PromptEntry]) -> PromptList:
        """Texts and entries as one list; texts lose spaces around them, and of two with one name the first stays."""
        by_name: dict[str, PromptEntry] = {}
        for prompt in prompts:
            entry = PromptEntry(prompt.strip()) if isinstance(prompt, str) else prompt
            by_name.setdefault(entry.prompt, entry)
        return PromptList(tuple(by_name.values()))

    def plain(self) -> tuple[str | PromptEntry, ...]:
        """The reverse of ``of``: texts for the prompts of which nothing else is known, entries for the others."""
        return tuple(entry.prompt if entry == PromptEntry(entry.prompt) else entry for entry in self.prompts)

    @property
    def names(self) -> tuple[str, ...]:
        """What events are called."""
        return tuple(entry.prompt for entry in self.prompts)

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts that the model must score, each once: of the prompts, then the negatives."""
        positive = [text for entry in self.prompts for text in entry.texts]
        return tuple(dict.fromkeys((*positive, *(text for entry in self.prompts for text in entry.negatives))))

    def configure(self, config: DetectionConfig) -> DetectionConfig:
        """Add the thresholds and durations that prompts have of their own.

        Raises
        ------
        ConfigError
            If a threshold belongs to another kind of score.

        Examples
        --------
        >>> prompts = PromptList((PromptEntry("siren", threshold=0.9), PromptEntry("dog")))
        >>> config = prompts.configure(DetectionConfig(threshold=0.6))
        >>> config.rule("siren").threshold, config.rule("dog").threshold
        (0.9, 0.6)
        """
        self.require_score(config.score)
        settings = dict(config.prompts)
        for entry in self.prompts:
            given = entry.settings()
            if given.threshold is not None:
                settings[entry.prompt] = dataclasses.replace(
                    settings.get(entry.prompt, given), threshold=given.threshold, low_threshold=None
                )
            if given.min_duration_s is not None:
                settings[entry.prompt] = dataclasses.replace(
                    settings.get(entry.prompt, given), min_duration_s=given.min_duration_s
                )
        return dataclasses.replace(config, prompts=settings)

    def without_thresholds(self) -> PromptList:
        """Leave thresholds to the configuration; alternatives, negatives, durations and probabilities stay."""
        return PromptList(tuple(dataclasses.replace(entry, threshold=None) for entry in self.prompts))

    def for_precision(self, precision: float) -> PromptList:
        """Take the thresholds at which reviews expect a precision.

        Parameters
        ----------
        precision : float
            Of the precisions that a review tried, the lowest that is at least this is taken.

        Raises
        ------
        ConfigError
            If a prompt was not reviewed, or no threshold reaches the precision.
        """
        entries = []
        for entry in self.prompts:
            reached = [known for known in entry.threshold_for_precision if known >= precision - 1e-9]
            if not reached:
                reason = "its review found none" if entry.threshold_for_precision else "it was not reviewed"
                raise ConfigError(
                    f"prompt {entry.prompt!r} has no threshold for precision {precision}: {reason}; "
                    "run flam review and give its file with --prompts, or give --threshold"
                )
            entries.append(dataclasses.replace(entry, threshold=entry.threshold_for_precision[min(reached)]))
        return PromptList(tuple(entries))

    def combine(self, scores: FrameScores) -> FrameScores:
        """Scores of the prompts from those of ``texts``: of alternatives the highest, 0 where a negative is higher.

        Parameters
        ----------
        scores : FrameScores
            Scores whose prompts begin with ``texts``; further columns (of sounds that are only shown) stay behind.

        Returns
        -------
        FrameScores
            Columns ``names``, then the further ones.

        Examples
        --------
        >>> from flam.core import TimeGrid
        >>> prompts = PromptList((PromptEntry("dog", alternatives=("woof",), negatives=("wolf",)),))
        >>> values = np.array([[0.2, 0.7, 0.1], [0.2, 0.7, 0.8]], np.float32)
        >>> scores = FrameScores(values, ("dog", "woof", "wolf"), TimeGrid(10, 1), start_frame=0, n_samples=2)
        >>> (prompts.combine(scores).scores[:, 0] > 0.5).tolist()
        [True, False]
        """
        texts = self.texts
        if texts == self.names:
            return scores
        place = {text: column for column, text in enumerate(texts)}
        columns = []
        for entry in self.prompts:
            column = scores.scores[:, [place[text] for text in entry.texts]].max(axis=1)
            if entry.negatives:
                rival = scores.scores[:, [place[text] for text in entry.negatives]].max(axis=1)
                column = column * (column >= rival)
            columns.append(column)
        combined = np.stack(columns, axis=1)
        shown = scores.prompts[len(texts) :]
        values = np.concatenate([combined, scores.scores[:, len(texts) :]], axis=1).astype(np.float32, copy=False)
        return dataclasses.replace(scores, scores=values, prompts=(*self.names, *shown))

    def finish(self, events: Iterable[Event]) -> list[Event]:
        """Add the probability to events of prompts that have one fitted."""
        fitted = {entry.prompt: entry.probability for entry in self.prompts if entry.probability is not None}
        result = []
        for event in events:
            probability = fitted.get(event.prompt)
            if probability is not None and event.max_score is not None:
                event = dataclasses.replace(event, probability=round(probability.of(event.max_score), 4))
            result.append(event)
        return result

    def has_probabilities(self) -> bool:
        """Whether any prompt has one fitted."""
        return any(entry.probability is not None for entry in self.prompts)

    def require_score(self, score: ScoreMethod) -> None:
        """Refuse another kind of score than thresholds and probabilities belong to.

        Raises
        ------
        ConfigError
            Naming the first prompt that does not fit.
        """
        for entry in self.prompts:
            if entry.score not in (None, score):
                raise ConfigError(
                    f"threshold of prompt {entry.prompt!r} belongs to score {entry.score!r}, not {score!r}; "
                    f"give --score {entry.score}, or review the prompt again"
                )

    def of_other_models(self, model_id: str) -> tuple[str, ...]:
        """Prompts whose threshold or probability was fitted for another model: they should be reviewed again."""
        return tuple(entry.prompt for entry in self.prompts if entry.model_id not in (None, model_id))


def read_prompt_file(path: str | Path) -> PromptList:
    """Read a prompts file: YAML where its name ends in ``.yaml`` or ``.yml``, else a prompt on each line.

    In plain text, empty lines and lines that begin with ``#`` don't count. YAML holds a list ``prompts`` of texts, or
    of mappings with the fields of ``PromptEntry``.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    PromptList
        One prompt at least, each once.

    Raises
    ------
    ConfigError
        If the file can't be read, holds no prompt, or a value is unknown or out of range.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "prompts.yaml")
    ...     _ = path.write_text("prompts:\\n- siren\\n- {prompt: dog, threshold: 0.9}\\n")
    ...     [(entry.prompt, entry.threshold) for entry in read_prompt_file(path).prompts]
    [('siren', None), ('dog', 0.9)]
    """
    text = read_text(path, ConfigError)
    if Path(path).suffix.lower() in YAML_SUFFIXES:
        return _from_yaml(text, str(path))
    lines = [line.strip() for line in text.splitlines()]
    prompts = [line for line in lines if line and not line.startswith("#")]
    if not prompts:
        raise ConfigError(f"{path}: holds no prompt; write one a line")
    return PromptList.of(prompts)


def write_prompt_file(prompts: PromptList, path: str | Path) -> None:
    """Write YAML that ``read_prompt_file`` reads back equal; what a prompt does not have is left out.

    Raises
    ------
    ConfigError
        If the name does not end in ``.yaml`` or ``.yml``.
    OutputError
        If the file can't be written.
    """
    if Path(path).suffix.lower() not in YAML_SUFFIXES:
        raise ConfigError(f"{path}: a prompts file with thresholds is YAML; give a name that ends in .yaml")
    defaults = to_mapping(PromptEntry("-"))
    entries = []
    for entry in to_mapping(prompts)["prompts"]:
        entries.append({name: value for name, value in entry.items() if value != defaults[name]})
    with atomic_text(Path(path)) as file:
        yaml.safe_dump({"prompts": entries}, file, sort_keys=False, allow_unicode=True)


def merged(earlier: PromptList, fresh: Sequence[PromptEntry]) -> PromptList:
    """Some prompts of a list replaced by fresh ones of the same name, new ones behind.

    Examples
    --------
    >>> merged(PromptList.of(["siren", "dog"]), [PromptEntry("dog", threshold=0.9), PromptEntry("cat")]).names
    ('siren', 'dog', 'cat')
    """
    by_name = {entry.prompt: entry for entry in (*earlier.prompts, *fresh)}
    return PromptList(tuple(by_name.values()))


def _from_yaml(text: str, where: str) -> PromptList:
    content = parse_yaml(text, where)
    if not isinstance(content, dict) or not isinstance(content.get("prompts"), list) or not content["prompts"]:
        raise ConfigError(f"{where}: holds no prompts; write a list of them under the key 'prompts'")
    prompts: list[Any] = [{"prompt": item} if isinstance(item, str) else item for item in content["prompts"]]
    return from_mapping(PromptList, content | {"prompts": prompts}, where)
