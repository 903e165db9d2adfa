"""How often a model is wrong at each threshold, and which threshold keeps within a number of false alarms."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

# Of thresholds; scores are float32 and hardly tell more.
HIGHEST = 1 - 1e-6


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
