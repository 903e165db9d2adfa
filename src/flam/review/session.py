"""One prompt under review: what to ask, what was answered, and what follows from it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from flam.core import ConfigError, ScoreMethod
from flam.detection.prompt_file import Probability, PromptEntry
from flam.review.candidates import Candidate, Pool, pool_of
from flam.review.labels import Label, Verdict, label_of, match_labels
from flam.review.logistic import SHIPPED_PRIOR, LogisticFit, Prior, fit_logistic
from flam.review.thresholds import ChosenThreshold, Estimate, Target, bin_of, choose_threshold, count_right

# The upper bins are narrow, as the threshold lies among the best candidates; asking for the best alone is worst of all.
BIN_EDGES = (0.0, 0.5, 0.75, 0.875, 0.9375, 1.0)
PER_BIN = 2
RANDOM_EVERY = 4
MAX_ANSWERS = 20
PRECISE_ENOUGH = 0.07
PRECISIONS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
# A threshold that is about to be reached by nothing is still a threshold.
LOWEST_THRESHOLD = 1e-6


def first_questions(pool: Pool, seed: int = 0) -> list[int]:
    """Two candidates of each bin of scores, by chance, from the highest bin down, then once more.

    Parameters
    ----------
    pool : Pool
        The candidates of the prompt.
    seed : int
        Of the chance.

    Returns
    -------
    list of int
        Places in the pool, each once; fewer than ten where a bin holds fewer than two.

    Examples
    --------
    >>> len(first_questions(Pool(np.linspace(0.1, 0.9, 100)))), len(first_questions(Pool(np.array([0.5]))))
    (10, 1)
    """
    rng = np.random.default_rng(seed)
    bins = bin_of(pool.x, BIN_EDGES)
    drawn = [
        rng.permutation(np.flatnonzero(bins == number))[:PER_BIN] for number in reversed(range(len(BIN_EDGES) - 1))
    ]
    return [int(places[turn]) for turn in range(PER_BIN) for places in drawn if turn < len(places)]


def spread_questions(pool: Pool, n_questions: int, seed: int = 0) -> list[int]:
    """All questions at once, where answers come back in a file: as many of each bin as fit, from the highest bin down.

    Examples
    --------
    >>> len(spread_questions(Pool(np.linspace(0.1, 0.9, 100)), 20))
    20
    """
    rng = np.random.default_rng(seed)
    bins = bin_of(pool.x, BIN_EDGES)
    drawn = [rng.permutation(np.flatnonzero(bins == number)) for number in reversed(range(len(BIN_EDGES) - 1))]
    places = [int(own[turn]) for turn in range(len(pool.x)) for own in drawn if turn < len(own)]
    return places[:n_questions]


def next_question(pool: Pool, asked: Collection[int], n_answers: int, threshold: float, seed: int = 0) -> int | None:
    """The next candidate: one of the first questions; then the one nearest to the threshold, each fourth by chance.

    Parameters
    ----------
    pool : Pool
        The candidates of the prompt.
    asked : collection of int
        Places of candidates that are answered or passed over.
    n_answers : int
        Answers so far, which says whose turn chance is.
    threshold : float
        The score that would be chosen now.
    seed : int
        Of the chance; equal seeds ask the same.

    Returns
    -------
    int or None
        Place in the pool; None if all were asked.
    """
    for place in first_questions(pool, seed):
        if place not in asked:
            return place
    is_open = np.ones(len(pool.x), bool)
    is_open[list(asked)] = False
    places = np.flatnonzero(is_open)
    if not len(places):
        return None
    if n_answers % RANDOM_EVERY == RANDOM_EVERY - 1:
        return int(np.random.default_rng((seed, n_answers)).choice(places))
    distance = np.abs(pool.x[places] - pool.standardise(np.array(threshold)))
    return int(places[distance.argmin()])


@dataclass(frozen=True)
class ReviewConfig:
    """How a review is held.

    Parameters
    ----------
    target : Target
        What the threshold is chosen for.
    max_answers : int
        Answers after which nothing more is asked; "unsure" doesn't count.
    precise_enough : float
        The review also ends when the 80 % interval of the precision reaches no further than this from its middle.
    prior : Prior
        What is known before the first answer.
    seed : int
        Of the candidates that are drawn by chance.
    """

    target: Target = field(default_factory=Target)
    max_answers: int = MAX_ANSWERS
    precise_enough: float = PRECISE_ENOUGH
    prior: Prior = SHIPPED_PRIOR
    seed: int = 0


class ReviewSession:
    """The review of one prompt, for the page and the terminal alike: ask, answer, undo, and read the result.

    Every answer refits the logistic, so that ``threshold`` and ``summary`` are always those of all answers so far.

    Parameters
    ----------
    prompt : str
        The prompt under review.
    candidates : sequence of Candidate
        What ``find_candidates`` found, one at least.
    labels : iterable of Label
        Answers given before, to this or another model; the ones about these candidates count.
    hashes : mapping
        Recording to the hash of its bytes; empty compares paths.
    model_id : str
        Content hash of the model that found the candidates.
    site : str
        Keep to the answers of this site, and mark new ones with it; empty takes all.
    config : ReviewConfig
        How the review is held.

    Attributes
    ----------
    pool : Pool
        The scores of the candidates.
    labels : list of Label
        Answers about these candidates, in the order in which they were given.

    Raises
    ------
    ConfigError
        If there is no candidate.

    Examples
    --------
    >>> scores = np.linspace(0.05, 0.95, 40)
    >>> candidates = [Candidate(f"{n}.wav", 0.0, 1.0, float(score)) for n, score in enumerate(scores)]
    >>> session = ReviewSession("siren", candidates)
    >>> while (candidate := session.next()) is not None:
    ...     session.answer(candidate, "right" if candidate.score > 0.6 else "wrong")
    >>> 0.6 < session.threshold.score < 0.9
    True
    >>> session.summary().startswith("precision .")
    True
    """

    def __init__(
        self,
        prompt: str,
        candidates: Sequence[Candidate],
        labels: Iterable[Label] = (),
        hashes: Mapping[str, str] | None = None,
        model_id: str = "",
        site: str = "",
        config: ReviewConfig | None = None,
    ):
        if not candidates:
            raise ConfigError(f"prompt {prompt!r} has no candidates; lower the floor, or take more recordings")
        self.prompt, self.candidates = prompt, tuple(candidates)
        self.model_id, self.site = model_id, site
        self.config = ReviewConfig() if config is None else config
        self.pool = pool_of(self.candidates)
        self._places = {candidate: place for place, candidate in enumerate(self.candidates)}
        self._hashes: Mapping[str, str] = {} if hashes is None else hashes
        self._answered = match_labels(labels, self.candidates, prompt, self._hashes, site)
        self._refit()

    @property
    def labels(self) -> list[Label]:
        """Answers about these candidates, in the order in which they were given."""
        return list(self._answered.values())

    @property
    def answers(self) -> dict[int, bool]:
        """Place of a candidate to whether it is right, for those that the person was sure of."""
        return {place: label.verdict == "right" for place, label in self._answered.items() if label.verdict != "unsure"}

    @property
    def fit(self) -> LogisticFit:
        """The logistic of all answers so far."""
        return self._fit

    @property
    def threshold(self) -> ChosenThreshold:
        """The threshold that follows from all answers so far."""
        return self._threshold

    def next(self) -> Candidate | None:
        """The candidate to ask about now, the same until it is answered; None when nothing more needs to be asked."""
        if self.is_finished():
            return None
        n_answers = len(self._answered)
        place = next_question(self.pool, self._answered.keys(), n_answers, self._threshold.score, self.config.seed)
        return None if place is None else self.candidates[place]

    def is_finished(self) -> bool:
        """Whether there are answers enough, or no candidates left."""
        n_answers = len(self.answers)
        if len(self._answered) == len(self.candidates) or n_answers >= self.config.max_answers:
            return True
        low, middle, high = self._threshold.precision
        is_precise = max(middle - low, high - middle) <= self.config.precise_enough
        return n_answers >= self.config.max_answers // 2 and self._threshold.is_reached and is_precise

    def answer(
        self, candidate: Candidate, verdict: Verdict, onset_s: float | None = None, offset_s: float | None = None
    ) -> None:
        """Take an answer; a second one to a candidate replaces the first.

        Parameters
        ----------
        candidate : Candidate
            One of ``candidates``.
        verdict : {"right", "wrong", "unsure"}
            The answer; "unsure" is not asked again and moves nothing.
        onset_s, offset_s : float, optional
            The span as the person corrected it, seconds.

        Raises
        ------
        ConfigError
            If the candidate is not of this review.
        """
        if candidate not in self._places:
            raise ConfigError(f"{candidate} is no candidate of {self.prompt!r}; answer what next() gave")
        recording_hash = self._hashes.get(candidate.recording, "")
        label = label_of(candidate, self.prompt, verdict, recording_hash, self.model_id, self.site)
        label = replace(
            label,
            onset_s=candidate.onset_s if onset_s is None else onset_s,
            offset_s=candidate.offset_s if offset_s is None else offset_s,
        )
        place = self._places[candidate]
        self._answered.pop(place, None)
        self._answered[place] = label
        self._refit()

    def answer_all(self, answers: Mapping[int, bool]) -> None:
        """Take many answers at once, by place in ``candidates``, and fit once."""
        for place, is_right in answers.items():
            candidate = self.candidates[place]
            verdict: Verdict = "right" if is_right else "wrong"
            recording_hash = self._hashes.get(candidate.recording, "")
            self._answered.pop(place, None)
            self._answered[place] = label_of(candidate, self.prompt, verdict, recording_hash, self.model_id, self.site)
        self._refit()

    def undo(self) -> Candidate | None:
        """Take back the last answer; its candidate, which will be asked again, or None if there was none."""
        if not self._answered:
            return None
        place, _ = self._answered.popitem()
        self._refit()
        return self.candidates[place]

    def probabilities(self) -> np.ndarray:
        """(N,) probability of being right of every candidate, answered ones included, by the fit."""
        return self._fit.probability(self.pool.x)

    def count(self) -> Estimate:
        """How many of the candidates are right, with the interval."""
        return count_right(self._fit, self.pool, self.answers)

    def summary(self) -> str:
        """The result in a line, such as ``precision .90 (.81-.95), expected recall .68, n = 20``."""
        low, middle, high = self._threshold.precision
        text = (
            f"precision {_short(middle)} ({_short(low)}-{_short(high)}), "
            f"expected recall {_short(self._threshold.recall)}, n = {len(self.answers)}"
        )
        if not self._threshold.is_reached:
            text += f"; no threshold promises {_short(self.config.target.precision)}"
        return text

    def entry(self, score_method: ScoreMethod | None = None, base: PromptEntry | None = None) -> PromptEntry:
        """What a prompts file keeps of this review.

        Parameters
        ----------
        score_method : {"posterior", "unbiased", "approximate"}, optional
            The kind of score that the candidates have.
        base : PromptEntry, optional
            An entry of the prompt to keep alternatives, negatives and minimum duration of.
        """
        base = PromptEntry(self.prompt) if base is None else base
        slope = self._fit.slope / self.pool.sd
        return replace(
            base,
            threshold=max(self._threshold.score, LOWEST_THRESHOLD),
            threshold_for_precision=self._thresholds(),
            probability=Probability(self._fit.intercept - slope * self.pool.mean, slope),
            score=score_method,
            n=len(self.answers),
            model_id=self.model_id or None,
        )

    def _thresholds(self) -> dict[float, float]:
        """Threshold of each usual precision that can be reached."""
        thresholds = {}
        for precision in PRECISIONS:
            chosen = choose_threshold(self._fit, self.pool, Target("precision", precision, self.config.target.quantile))
            if chosen.is_reached:
                thresholds[precision] = max(chosen.score, LOWEST_THRESHOLD)
        return thresholds

    def _refit(self) -> None:
        answers = self.answers
        places = np.fromiter(answers, np.int64, len(answers))
        is_right = np.fromiter(answers.values(), bool, len(answers))
        self._fit = fit_logistic(self.pool.x[places], is_right, self.config.prior)
        self._threshold = choose_threshold(self._fit, self.pool, self.config.target)


def _short(share: float) -> str:
    """A share without its leading zero: .90."""
    return f"{share:.2f}".removeprefix("0")
