"""Thresholds from twenty answers, a model that learnt from them, and budgets of false alarms, on held-out scenes.

    python benchmarks/review.py --library MANIFEST --work FOLDER

Scenes of 30 s hold 4 to 8 clips, which the model has not heard, of 50 labels, 12 to 24 dB above a real ambience. One
half of them is reviewed, with answers from the truth; the other half, of other recordings, is judged. Printed are

* event F1 of 30 prompts: with one threshold for all, with thresholds from answers, and with a model that was fine-tuned
  with the same answers (mean over prompts; the 95 % interval is of a bootstrap over prompts),
* the precision asked for and got,
* how often the number of right candidates lies within its 80 % interval,
* the false alarms asked for and got with 1, 10 and 50 prompts, in the judged scenes and in ambience.

Priors of the logistic come from the fits of the other prompts to all their candidates ("measured"), unless they are
said to be the shipped one. What is rendered, encoded and learnt stays in the folder.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import flam
from benchmarks.review_scenes import Material, Scene, material
from flam.core import Event, FrameScores, RecordingEvents
from flam.detection import DetectionConfig, Detector, PromptSettings
from flam.detection.binarize import binarize
from flam.evaluation.detections import joined, match_detections
from flam.review import Candidate, Label, ReviewConfig, ReviewSession, Target, answers_of, find_candidates, fit_logistic
from flam.review.candidates import pool_of
from flam.review.examples import write_examples
from flam.review.logistic import SHIPPED_PRIOR, Prior

N_REVIEWED = 30
NUMBERS = (5, 10, 20, 30)
FLAT = Prior(0.0, 10.0, 1.0, 10.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True, help="manifest of labelled clips")
    parser.add_argument("--work", type=Path, required=True, help="folder for scenes and the fine-tuned model")
    parser.add_argument("--scenes", type=int, default=240, help="of each half")
    parser.add_argument("--model", default="flam-mini")
    arguments = parser.parse_args()
    begun = time.process_time()
    detector = flam.load(arguments.model, n_threads=1)
    arguments.work.mkdir(parents=True, exist_ok=True)
    scenes = material(arguments.library, arguments.work, detector, arguments.scenes)
    minutes = [sum(scene.n_samples for scene in part) / detector.sample_rate / 60 for part in parts(scenes)]
    n_events = [sum(len(scene.events) for scene in part) for part in parts(scenes)]
    print(f"minutes of scenes reviewed and judged, and of ambience: {[round(m) for m in minutes]}; events {n_events}")
    prompts = scenes.prompts[:N_REVIEWED]
    judged = Judged(scenes, detector, prompts)
    plain, known = Reviewed(scenes, detector, prompts), SHIPPED_PRIOR
    priors = plain.priors()
    print(f"prior of these prompts {prior_of(plain.full_fits())}; shipped {known}")
    f1_table(plain, judged, priors, arguments, scenes)
    precision_table(plain, judged, priors)
    budget_table(detector, scenes)
    print(f"{time.process_time() - begun:.0f} CPU s")


def parts(scenes: Material) -> tuple[tuple[Scene, ...], ...]:
    return scenes.reviewed, scenes.judged, scenes.ambience


class Judged:
    """Scored scenes, and what settings find in them."""

    def __init__(self, scenes: Material, detector: Detector, prompts: tuple[str, ...], part: str = "judged"):
        self.detector, self.prompts = detector, prompts
        self.scenes: tuple[Scene, ...] = getattr(scenes, part)
        self.scores = [scene.scored(detector, prompts) for scene in self.scenes]

    def settled(self, n_together: int | None = None, **changes: object) -> DetectionConfig:
        """The model's rules for the prompts, and the threshold that belongs to a number of them."""
        config = dataclasses.replace(self.detector.config, **changes)  # type: ignore[arg-type]
        n_more = (n_together or 0) - len(self.prompts)
        return self.detector.operating_point([*self.prompts, *self.prompts[:1] * n_more], config)

    def with_thresholds(self, thresholds: dict[str, float]) -> DetectionConfig:
        """The model's rules with a threshold for each prompt."""
        prompts = {prompt: PromptSettings(threshold=value) for prompt, value in thresholds.items()}
        return self.settled(prompts=prompts, false_alarms_per_hour=None)

    def with_threshold(self, threshold: float) -> DetectionConfig:
        """The model's rules with one threshold for all."""
        return self.settled(threshold=threshold, prompts={}, false_alarms_per_hour=None)

    def counts(self, config: DetectionConfig) -> np.ndarray:
        """(K, 3): events, events found, false alarms of each prompt."""
        table = np.zeros((len(self.prompts), 3))
        for scene, scores in zip(self.scenes, self.scores, strict=True):
            detections = detected(scores, config)
            events = joined(scene.events, lambda prompt: config.rule(prompt).merge_gap_s)
            for k, prompt in enumerate(self.prompts):
                if prompt not in scene.unsure:
                    own = [event for event in events if event.prompt == prompt]
                    matches = match_detections([event for event in detections if event.prompt == prompt], own)
                    n_found = sum(error is not None for error in matches.onset_errors_s)
                    table[k] += len(own), n_found, matches.n_false_alarms
        return table

    def f1(self, config: DetectionConfig) -> np.ndarray:
        """(K,) F1 of each prompt."""
        n_events, n_found, n_false = self.counts(config).T
        return 2 * n_found / np.maximum(n_events + n_found + n_false, 1)


def detected(scores: FrameScores, config: DetectionConfig) -> list[Event]:
    return sorted(binarize([scores], config))


class Reviewed(Judged):
    """The half that is reviewed: candidates of each prompt, and the truth about them."""

    def __init__(self, scenes: Material, detector: Detector, prompts: tuple[str, ...]):
        super().__init__(scenes, detector, prompts, "reviewed")
        curve = detector.config.false_alarm_curve
        floor = 0.8 if curve is None else curve.thresholds[0]
        low = dataclasses.replace(self.with_threshold(floor), low_threshold=floor)
        recordings = [
            RecordingEvents(
                scene.path,
                scores.end_s,
                tuple(event for event in detected(scores, low) if event.prompt not in scene.unsure),
            )
            for scene, scores in zip(self.scenes, self.scores, strict=True)
        ]
        truth = {scene.path: scene.events for scene in self.scenes}
        self.candidates: dict[str, tuple[Candidate, ...]] = {
            prompt: find_candidates(recordings, prompt) for prompt in prompts
        }
        self.answers = {prompt: answers_of(self.candidates[prompt], truth, prompt) for prompt in prompts}

    def full_fits(self) -> np.ndarray:
        """(K, 2) intercept and slope of the fit to all candidates of each prompt."""
        fits = []
        for prompt in self.prompts:
            x = pool_of(self.candidates[prompt]).x
            fits.append(fit_logistic(x, np.array(list(self.answers[prompt].values()), bool), FLAT))
        return np.array([(fit.intercept, fit.slope) for fit in fits])

    def priors(self) -> dict[str, Prior]:
        """For each prompt, what the fits of the others tell."""
        numbers = self.full_fits()
        return {prompt: prior_of(np.delete(numbers, k, axis=0)) for k, prompt in enumerate(self.prompts)}

    def session(
        self, prompt: str, target: Target, n_answers: int, prior: Prior, labels: Sequence[Label] = ()
    ) -> ReviewSession:
        """A review that was answered by the truth, or only by answers given before."""
        config = ReviewConfig(target=target, max_answers=n_answers, precise_enough=0.0, prior=prior)
        session = ReviewSession(prompt, self.candidates[prompt], labels, config=config)
        while not labels and (candidate := session.next()) is not None:
            is_right = self.answers[prompt][self.candidates[prompt].index(candidate)]
            session.answer(candidate, "right" if is_right else "wrong")
        return session


def prior_of(numbers: np.ndarray) -> Prior:
    """Median and 1.5 times the median absolute deviation of (P, 2) intercepts and slopes."""
    middle = np.median(numbers, axis=0)
    spread = 1.5 * np.median(np.abs(numbers - middle), axis=0)
    return Prior(*(round(float(value), 2) for value in (middle[0], spread[0], middle[1], spread[1])))


def with_interval(values: np.ndarray) -> str:
    draws = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


def f1_table(
    reviewed: Reviewed, judged: Judged, priors: dict[str, Prior], arguments: argparse.Namespace, scenes: Material
) -> None:
    """Print event F1 of every way to a threshold, and what it has over the model's own."""
    own = judged.f1(judged.settled())

    def row(name: str, f1: np.ndarray) -> None:
        print(f"| {name} | {with_interval(f1)} | {with_interval(f1 - own)} |", flush=True)

    print("| threshold | event F1 | more than the model's own |\n|---|---|---|")
    row(f"the model's own for {len(judged.prompts)} prompts, {judged.settled().threshold:.4f}", own)
    grid = [1 - 10**-x for x in np.linspace(0.6, 3, 13)]

    def best_of(half: Judged) -> float:
        return max(grid, key=lambda threshold: half.f1(half.with_threshold(threshold)).mean())

    best = best_of(reviewed)
    row(f"one for all, best in the reviewed half, {best:.4f}", judged.f1(judged.with_threshold(best)))
    sessions: dict[str, ReviewSession] = {}
    for n_answers in NUMBERS:
        f1 = Target("f1")
        if n_answers == 20:
            shipped = [reviewed.session(prompt, f1, n_answers, SHIPPED_PRIOR) for prompt in judged.prompts]
            row("from 20 answers, shipped prior", judged.f1(judged.with_thresholds(thresholds(shipped))))
        own_sessions = [reviewed.session(prompt, f1, n_answers, priors[prompt]) for prompt in judged.prompts]
        row(f"from {n_answers} answers", judged.f1(judged.with_thresholds(thresholds(own_sessions))))
        if n_answers == 20:
            sessions = {session.prompt: session for session in own_sessions}
    everything = [reviewed.session(prompt, Target("f1"), 10**6, FLAT) for prompt in judged.prompts]
    row("from answers to all candidates", judged.f1(judged.with_thresholds(thresholds(everything))))
    tuned = flam.load(fine_tuned(sessions, arguments, scenes), n_threads=1)
    tuned_judged, tuned_reviewed = Judged(scenes, tuned, judged.prompts), Reviewed(scenes, tuned, judged.prompts)
    row("fine-tuned with 20 answers, its own thresholds", tuned_judged.f1(tuned_judged.settled()))
    best = best_of(tuned_reviewed)
    row(f"fine-tuned, one for all, {best:.4f}", tuned_judged.f1(tuned_judged.with_threshold(best)))
    tuned_priors = tuned_reviewed.priors()
    found = [prompt for prompt in judged.prompts if tuned_reviewed.candidates[prompt]]
    again = [
        tuned_reviewed.session(prompt, Target("f1"), 20, tuned_priors[prompt], sessions[prompt].labels)
        for prompt in found
    ]
    row("fine-tuned, fitted to the same 20 answers", tuned_judged.f1(tuned_judged.with_thresholds(thresholds(again))))
    fresh = [tuned_reviewed.session(prompt, Target("f1"), 20, tuned_priors[prompt]) for prompt in found]
    row("fine-tuned, fitted to 20 further answers", tuned_judged.f1(tuned_judged.with_thresholds(thresholds(fresh))))


def thresholds(sessions: Sequence[ReviewSession]) -> dict[str, float]:
    return {session.prompt: session.threshold.score for session in sessions}


def fine_tuned(sessions: dict[str, ReviewSession], arguments: argparse.Namespace, scenes: Material) -> Path:
    """The model that learnt from the answers, as ``flam finetune --reviews`` does."""
    from flam.training.finetune.run import FinetuneConfig, finetune

    folder = arguments.work / "tuned"
    if not (folder / "config.json").exists():
        begun = time.process_time()
        examples = arguments.work / "examples"
        shutil.rmtree(examples, ignore_errors=True)
        n_clips = write_examples([label for session in sessions.values() for label in session.labels], examples, print)
        finetune(examples, arguments.model, folder, FinetuneConfig(), device="cpu")
        print(f"learnt from {n_clips} clips in {time.process_time() - begun:.0f} CPU s", flush=True)
    return folder


def precision_table(reviewed: Reviewed, judged: Judged, priors: dict[str, Prior]) -> None:
    """Print the precision got where one was asked for, and how good the counts are."""
    print("| answers | prior | asked | at quantile | prompts promised | their precision | below by .1 | recall |")
    print("|---|---|---|---|---|---|---|---|")
    within: dict[int, list[bool]] = {number: [] for number in NUMBERS}
    cases = [(number, "measured", 0.9, quantile) for number in NUMBERS for quantile in (0.2, 0.5)]
    cases += [(20, "measured", precision, 0.2) for precision in (0.7, 0.8)] + [(20, "shipped", 0.9, 0.2)]
    prior_named: dict[str, Callable[[str], Prior]] = {
        "measured": lambda prompt: priors[prompt],
        "shipped": lambda prompt: SHIPPED_PRIOR,
    }
    for n_answers, prior, asked, quantile in cases:
        target = Target(precision=asked, quantile=quantile)
        sessions = [reviewed.session(p, target, n_answers, prior_named[prior](p)) for p in judged.prompts]
        table = judged.counts(judged.with_thresholds(thresholds(sessions)))
        is_promised = np.array([session.threshold.is_reached for session in sessions])
        n_events, n_found, n_false = table[is_promised].T
        precision = n_found / np.maximum(n_found + n_false, 1)
        missed = int(np.sum((precision < asked - 0.1) & (n_found + n_false > 0)))
        pooled = n_found.sum() / max(n_found.sum() + n_false.sum(), 1)
        recall = n_found.sum() / max(n_events.sum(), 1)
        print(
            f"| {n_answers} | {prior} | {asked} | {quantile} | {is_promised.sum()} of {len(sessions)} | {pooled:.2f} "
            f"| {missed} | {recall:.2f} |",
            flush=True,
        )
        if prior == "measured" and asked == 0.9 and quantile == 0.2:
            for session in sessions:
                estimate, n_right = session.count(), sum(reviewed.answers[session.prompt].values())
                within[n_answers].append(estimate.low <= n_right <= estimate.high)
    print({number: f"count within its interval: {np.mean(hits):.2f}" for number, hits in within.items()})


def budget_table(detector: Detector, scenes: Material) -> None:
    """Print false alarms asked for and got; prompts do not compete, so K prompts have K / 50 of those of all."""
    curve = detector.config.false_alarm_curve
    if curve is None:
        return
    halves = [Judged(scenes, detector, scenes.prompts, part) for part in ("judged", "ambience")]
    n_prompts_all = len(scenes.prompts)
    print("| prompts | asked, an hour | threshold | got in scenes | got in ambience |\n|---|---|---|---|---|")
    for n_prompts in (1, 10, 50):
        for per_hour in (1.0, 10.0, 60.0, 300.0):
            threshold = curve.threshold(per_hour, n_prompts)
            got = []
            for half in halves:
                n_false = half.counts(half.with_threshold(threshold))[:, 2].sum() * n_prompts / n_prompts_all
                hours = sum(
                    (n_prompts_all - len(scene.unsure)) / n_prompts_all * scene.n_samples / detector.sample_rate / 3600
                    for scene in half.scenes
                )
                got.append(n_false / hours)
            print(f"| {n_prompts} | {per_hour:g} | {threshold:.4f} | {got[0]:.1f} | {got[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
