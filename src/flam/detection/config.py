"""What turns frame scores into events, and how a recording is cut for the model: every number a user may set."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from flam.core import ScoreMethod, from_mapping, to_mapping
from flam.detection.kinds import SoundKind

# Of thresholds; scores are float32 and hardly tell more.
HIGHEST = 1 - 1e-6
LOW_THRESHOLD_SHARE = 0.85


@dataclass(frozen=True)
class FalseAlarmCurve:
    """False alarms of a model against its threshold, measured on recordings it was not trained on.

    It holds for the kind of score, the smoothing and the merging of the ``DetectionConfig`` it stands in. Between the
    points it is read along straight lines of log rate against log(1 - threshold). Beyond the last point it goes on
    along the line through the first and the last one: a guess, on the careful side in scenes.

    Parameters
    ----------
    thresholds : tuple[float, ...]
        N rising thresholds in (0, 1)
    per_prompt_per_hour : tuple[float, ...]
        N falling rates, false alarms of one prompt in an hour of sound, all above 0
    measured_hours : float | None, optional
        length of the recordings, hours times prompts; a rate below 1 / measured_hours is a guess

    Examples
    --------
    >>> curve = FalseAlarmCurve((0.9, 0.99), (40.0, 4.0))
    >>> curve.threshold(per_hour=80.0, n_prompts=20), curve.per_hour(0.99, n_prompts=20)
    (0.99, 80.0)
    >>> round(curve.threshold(per_hour=12.65, n_prompts=1), 3)
    0.968
    """

    thresholds: tuple[float, ...]
    per_prompt_per_hour: tuple[float, ...]
    measured_hours: float | None = None

    def __post_init__(self) -> None:
        thresholds, rates = self.thresholds, self.per_prompt_per_hour
        if len(thresholds) != len(rates) or len(thresholds) < 2:
            raise ValueError(
                f"thresholds has {len(thresholds)} values and per_prompt_per_hour {len(rates)}; both need the same "
                "number, 2 or more"
            )
        if not all(0 < low < high < 1 for low, high in pairwise(thresholds)):
            raise ValueError(f"thresholds {thresholds} must rise within (0, 1)")
        if not all(high > low > 0 for high, low in pairwise(rates)):
            raise ValueError(f"per_prompt_per_hour {rates} must fall and stay above 0; leave out points without alarms")

    def threshold(self, per_hour: float, n_prompts: int = 1) -> float:
        """The lowest threshold at which all prompts together have so many false alarms an hour.

        Rates above those of the curve give its first threshold.

        Parameters
        ----------
        per_hour : float
            false alarms an hour, above 0
        n_prompts : int, default 1
            number of prompts that share them; 0 counts as 1
        """
        if not per_hour > 0:
            raise ValueError(f"per_hour {per_hour} must be above 0; 1.0 is one false alarm an hour")
        rate = per_hour / max(n_prompts, 1)
        log_rates, log_misses = self._logs()
        return min(1 - float(np.exp(np.interp(np.log(rate), log_rates[::-1], log_misses[::-1]))), HIGHEST)

    def per_hour(self, threshold: float, n_prompts: int = 1) -> float:
        """Expected false alarms an hour of all prompts together; below the first threshold those of the first."""
        log_rates, log_misses = self._logs()
        log_miss = np.log(max(1 - threshold, 1e-12))
        return float(np.exp(np.interp(log_miss, log_misses[::-1], log_rates[::-1]))) * n_prompts

    def _logs(self) -> tuple[np.ndarray, np.ndarray]:
        log_rates, log_misses = np.log(self.per_prompt_per_hour), np.log1p(-np.array(self.thresholds))
        lowest = np.log1p(-HIGHEST)
        slope = (log_rates[-1] - log_rates[0]) / (log_misses[-1] - log_misses[0])
        if lowest < log_misses[-1]:
            log_rates = np.append(log_rates, log_rates[-1] + slope * (lowest - log_misses[-1]))
            log_misses = np.append(log_misses, lowest)
        return log_rates, log_misses


@dataclass(frozen=True)
class PromptSettings:
    """What differs for one prompt; None takes the value of ``DetectionConfig``."""

    threshold: float | None = None
    low_threshold: float | None = None
    median_s: float | None = None
    min_duration_s: float | None = None
    merge_gap_s: float | None = None

    def __post_init__(self) -> None:
        _require_valid_rule(self)


@dataclass(frozen=True)
class EventRule:
    """How the scores of one prompt become events: ``DetectionConfig.rule`` makes it."""

    threshold: float
    low_threshold: float
    median_s: float
    min_duration_s: float
    merge_gap_s: float


@dataclass(frozen=True)
class DetectionConfig:
    """How a recording is scored and how its scores become events.

    These defaults suit a model of which nothing is known; a checkpoint brings its own operating point. A threshold is
    chosen for one kind of score: with 50 prompts, at 0.5, the unbiased and the approximate score, which are 0.5 where
    the cosine is 0, raised some fifty times the false alarms of the posterior.

    Parameters
    ----------
    score : ScoreMethod, default "posterior"
        "posterior", "unbiased" or "approximate", see ``flam.model.flam.score``
    threshold : float, default 0.5
        an event is where the score reaches it, in (0, 1]
    low_threshold : float | None, optional
        it lasts, before and after that, while the score stays at or above this, in [0, threshold]; None is 0.85 *
        threshold
    median_s : float, default 0.24
        scores are smoothed by a median filter over the odd number of frames nearest to it, seconds
    min_duration_s : float, default 0.0
        shorter events are dropped, after merging, seconds
    merge_gap_s : float, default 0.2
        events of one prompt with this or a shorter gap between them become one, seconds
    overlap : float, default 0.18
        share of a window that it has in common with the next, in [0, 0.5]; with the default, windows of flam-mini are
        the same in a session of 2 s latency
    silence_db : float, default -80.0
        a frame whose level is below it scores 0 for every prompt, dB relative to full scale, in [-120, 0]
    prompts : dict[str, PromptSettings], optional
        prompt to what differs for it; prompts that nobody asks for do no harm
    false_alarm_curve : FalseAlarmCurve | None, optional
        how often the model is wrong at each threshold, from which follows a threshold for a number of false alarms;
        None where nobody measured it
    false_alarms_per_hour : float | None, optional
        of one prompt; with a curve, the threshold follows from it and from the number of prompts (see
        ``flam.detection.operating_point``), and ``threshold`` is not used. None, or a threshold that a user gives:
        ``threshold`` holds
    kinds : dict[str, SoundKind], optional
        how sounds that last alike are smoothed and joined, by any name
    batch_windows : int | None, optional
        windows that the model gets at once; more is faster on a GPU and takes more memory; None is 1 on a processor and
        4 elsewhere
    latency_s : float | None, optional
        most seconds from a sound to its final scores, for sources that are still going on; the overlap of windows is
        lowered as far as that needs. None waits for whole windows

    Examples
    --------
    >>> config = DetectionConfig(prompts={"siren": PromptSettings(threshold=0.3)})
    >>> config.rule("siren").low_threshold, config.rule("rain").low_threshold
    (0.255, 0.425)
    """

    score: ScoreMethod = "posterior"
    threshold: float = 0.5
    low_threshold: float | None = None
    median_s: float = 0.24
    min_duration_s: float = 0.0
    merge_gap_s: float = 0.2
    overlap: float = 0.18
    silence_db: float = -80.0
    prompts: dict[str, PromptSettings] = field(default_factory=dict)
    false_alarm_curve: FalseAlarmCurve | None = None
    false_alarms_per_hour: float | None = None
    kinds: dict[str, SoundKind] = field(default_factory=dict)
    batch_windows: int | None = None
    latency_s: float | None = None

    def __post_init__(self) -> None:
        _require_valid_rule(self)
        _require(0 <= self.overlap <= 0.5, "overlap", self.overlap, "within [0, 0.5]", "0.18 is a good value")
        _require(
            -120 <= self.silence_db <= 0, "silence_db", self.silence_db, "within [-120, 0]", "-120 spares all but zeros"
        )
        if self.false_alarms_per_hour is not None:
            is_valid = 0 < self.false_alarms_per_hour < math.inf
            _require(is_valid, "false_alarms_per_hour", self.false_alarms_per_hour, "above 0", "1 is one an hour")
        if self.batch_windows is not None:
            _require(self.batch_windows >= 1, "batch_windows", self.batch_windows, "at least 1", "1 takes least memory")
        if self.latency_s is not None:
            is_valid = 0 < self.latency_s < math.inf
            _require(is_valid, "latency_s", self.latency_s, "above 0 seconds", "leave it out to wait for whole windows")
        for prompt in self.prompts:
            try:
                self.rule(prompt)
            except ValueError as error:
                raise ValueError(f"prompts[{prompt!r}]: {error}") from error

    def rule(self, prompt: str) -> EventRule:
        """The rule for a prompt: its own settings where it has some; a threshold of its own moves the low one too."""
        own = self.prompts.get(prompt, PromptSettings())
        values = {
            setting.name: getattr(self if getattr(own, setting.name) is None else own, setting.name)
            for setting in dataclasses.fields(PromptSettings)
        }
        if own.low_threshold is None and (own.threshold is not None or self.low_threshold is None):
            share = LOW_THRESHOLD_SHARE if self.low_threshold is None else self.low_threshold / self.threshold
            values["low_threshold"] = share * values["threshold"]
        _require_ordered(values["low_threshold"], values["threshold"])
        return EventRule(**values)


def replace_settings(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Fields of a configuration as plain values, some replaced by what a user asks for.

    Who gives a threshold means it for every prompt: prompts keep no threshold of their own, and a low threshold that
    is not given keeps its share of the high one. Another kind of score leaves the measured false alarms behind.

    Examples
    --------
    >>> base = {"threshold": 0.8, "low_threshold": 0.4, "prompts": {"siren": {"threshold": 0.9, "median_s": 0.5}}}
    >>> replace_settings(base, {"threshold": 0.5})
    {'threshold': 0.5, 'low_threshold': 0.25, 'prompts': {'siren': {'median_s': 0.5}}, 'false_alarms_per_hour': None}
    """
    result = {**base, **overrides}
    if "score" in base and result["score"] != base["score"]:
        result |= {"false_alarm_curve": None, "false_alarms_per_hour": None} | overrides
    if "threshold" in overrides:
        result["false_alarms_per_hour"] = overrides.get("false_alarms_per_hour")
        if "prompts" not in overrides:
            result["prompts"] = {
                prompt: {name: value for name, value in own.items() if name not in ("threshold", "low_threshold")}
                for prompt, own in base.get("prompts", {}).items()
            }
        low, given = base.get("low_threshold"), overrides["threshold"]
        if low is not None and "low_threshold" not in overrides and isinstance(given, int | float):
            result["low_threshold"] = low / base.get("threshold", DetectionConfig.threshold) * given
    return result


def with_overrides(config: DetectionConfig, overrides: dict[str, Any]) -> DetectionConfig:
    """Replace some fields, see ``replace_settings``.

    Raises
    ------
    ConfigError
        An override that is unknown or out of range.

    Examples
    --------
    >>> with_overrides(DetectionConfig(), {"threshold": 0.5}).threshold
    0.5
    """
    return from_mapping(DetectionConfig, replace_settings(to_mapping(config), to_mapping(overrides)), "detection")


def _require_valid_rule(settings: PromptSettings | DetectionConfig) -> None:
    threshold, low_threshold = settings.threshold, settings.low_threshold
    if threshold is not None:
        _require(0 < threshold <= 1, "threshold", threshold, "within (0, 1]", "0.5 is the usual value")
    if low_threshold is not None:
        _require(0 <= low_threshold <= 1, "low_threshold", low_threshold, "within [0, 1]", "leave it out for 0.85 * it")
        if threshold is not None:
            _require_ordered(low_threshold, threshold)
    for name in ("median_s", "min_duration_s", "merge_gap_s"):
        seconds = getattr(settings, name)
        if seconds is not None:
            _require(
                seconds >= 0 and math.isfinite(seconds), name, seconds, "finite and >= 0 seconds", "0 turns it off"
            )


def _require_ordered(low_threshold: float, threshold: float) -> None:
    _require(
        low_threshold <= threshold, "low_threshold", low_threshold, f"at most threshold {threshold}", "lower it as well"
    )


def _require(is_valid: bool, name: str, value: float, rule: str, remedy: str) -> None:
    if not is_valid:
        raise ValueError(f"{name} {value} must be {rule}; {remedy}")
