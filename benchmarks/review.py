"""Thresholds from twenty answers, a model that learnt from them, and budgets of false alarms, on held-out scenes.

    python benchmarks/review.py --library MANIFEST --work FOLDER

Scenes of 30 s hold 4 to 8 clips, which the model has not heard, of 50 labels, 12 to 24 dB above a real ambience. Some
are reviewed, with answers from the truth. Judged are two others: further mixtures of the same clips ("again"), and
scenes of other recordings, clips and ambience alike ("new"). Printed are

* event F1 of 30 prompts: with one threshold for all, with thresholds from answers, and with a model that was fine-tuned
  with the same answers (mean over prompts; the 95 % interval is of a bootstrap over prompts),
* the precision asked for and got: of the reviewed candidates themselves, again, and in new recordings,
* how often the number of right candidates lies within its 80 % interval,
* the false alarms asked for and got with 1, 10 and 50 prompts, in new scenes and in ambience.

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
from flam.review.candidates import candidate_floor, pool_of
from flam.review.examples import write_examples
from flam.review.logistic import SHIPPED_PRIOR, Prior

N_REVIEWED = 30
JUDGED = ("again", "new")
NUMBERS = (5, 10, 20, 30)
GRID = [1 - 10**-x for x in np.linspace(0.6, 3, 13)]
FLAT = Prior(0.0, 10.0, 1.0, 10.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True, help="manifest of labelled clips")
    parser.add_argument("--work", type=Path, required=True, help="folder for scenes and the fine-tuned model")
    parser.add_argument("--scenes", type=int, default=240, help="of each part")
    parser.add_argument("--model", default="flam-mini")
    arguments = parser.parse_args()
    begun = time.process_time()
    detector = flam.load(arguments.model, n_threads=1)
    arguments.work.mkdir(parents=True, exist_ok=True)
    scenes = material(arguments.library, arguments.work, detector, arguments.scenes)
    for part in ("reviewed", "again", "new", "ambience"):
        own = getattr(scenes, part)
        minutes = sum(scene.n_samples for scene in own) / detector.sample_rate / 60
        print(f"{part}: {minutes:.0f} minutes, {sum(len(scene.events) for scene in own)} events")
    prompts = scenes.prompts[:N_REVIEWED]
    judged = {part: Judged(scenes, detector, prompts, part) for part in JUDGED}
    reviewed = Reviewed(scenes, detector, prompts)
    priors = reviewed.priors()
    print(f"prior of these prompts {prior_of(reviewed.full_fits())}; shipped {SHIPPED_PRIOR}")
    f1_table(reviewed, judged, priors, arguments, scenes)
    precision_table(reviewed, judged, priors)
    budget_table(detector, scenes)
    print(f"{time.process_time() - begun:.0f} CPU s")


class Judged:
    """Scored scenes, and what settings find in them."""

    def __init__(self, scenes: Material, detector: Detector, prompts: tuple[str, ...], part: str):
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
        floor = candidate_floor(detector.config)
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

    def judged_candidates(self, thresholds: dict[str, float]) -> np.ndarray:
        """(P, 3) right candidates, and right and wrong ones that reach the threshold, of each prompt that has one."""
        rows = []
        for prompt, threshold in thresholds.items():
            is_right = np.array(list(self.answers[prompt].values()))
            is_found = np.array([candidate.score >= threshold for candidate in self.candidates[prompt]])
            rows.append((is_right.sum(), (is_found & is_right).sum(), (is_found & ~is_right).sum()))
        return np.array(rows, float).reshape(-1, 3)

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
    reviewed: Reviewed,
    judged: dict[str, Judged],
    priors: dict[str, Prior],
    arguments: argparse.Namespace,
    scenes: Material,
) -> None:
    """Print event F1 of every way to a threshold, and what it has over the model's own."""
    prompts, f1 = reviewed.prompts, Target("f1")
    plain = {part: half.f1(half.settled()) for part, half in judged.items()}

    def row(name: str, config_of: Callable[[Judged], DetectionConfig], halves: dict[str, Judged] = judged) -> None:
        found = {part: half.f1(config_of(half)) for part, half in halves.items()}
        cells = [f"{f1.mean():.3f} | {with_interval(f1 - plain[part])}" for part, f1 in found.items()]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)

    def fitted(sessions: Sequence[ReviewSession]) -> Callable[[Judged], DetectionConfig]:
        return lambda half: half.with_thresholds({session.prompt: session.threshold.score for session in sessions})

    def best_of(half: Judged) -> float:
        return max(GRID, key=lambda threshold: half.f1(half.with_threshold(threshold)).mean())

    print("| threshold | again: F1 | more than the model's own | new: F1 | more than the model's own |")
    print("|---|---|---|---|---|")
    row(f"the model's own for {len(prompts)} prompts, {reviewed.settled().threshold:.4f}", Judged.settled)
    best = best_of(reviewed)
    row(f"one for all, best in the reviewed scenes, {best:.4f}", lambda half: half.with_threshold(best))
    by_number = {n: [reviewed.session(p, f1, n, priors[p]) for p in prompts] for n in NUMBERS}
    for n_answers, sessions in by_number.items():
        row(f"from {n_answers} answers", fitted(sessions))
    row("from 20 answers, shipped prior", fitted([reviewed.session(p, f1, 20, SHIPPED_PRIOR) for p in prompts]))
    row("from answers to all candidates", fitted([reviewed.session(p, f1, 10**6, FLAT) for p in prompts]))
    tuned = flam.load(fine_tuned(by_number[20], arguments), n_threads=1)
    halves = {part: Judged(scenes, tuned, prompts, part) for part in JUDGED}
    again = Reviewed(scenes, tuned, prompts)
    tuned_priors = again.priors()
    row("fine-tuned with 20 answers, its own thresholds", Judged.settled, halves)
    best_tuned = best_of(again)
    row(f"fine-tuned, one for all, {best_tuned:.4f}", lambda half: half.with_threshold(best_tuned), halves)
    known = {session.prompt: session.labels for session in by_number[20]}
    found = [prompt for prompt in prompts if again.candidates[prompt]]
    same = [again.session(p, f1, 20, tuned_priors[p], known[p]) for p in found]
    row("fine-tuned, fitted to the same 20 answers", fitted(same), halves)
    row("fine-tuned, fitted to 20 more", fitted([again.session(p, f1, 20, tuned_priors[p]) for p in found]), halves)


def fine_tuned(sessions: Sequence[ReviewSession], arguments: argparse.Namespace) -> Path:
    """The model that learnt from the answers, as ``flam finetune --reviews`` does."""
    from flam.training.finetune.run import FinetuneConfig, finetune

    folder = arguments.work / "tuned"
    if not (folder / "config.json").exists():
        begun = time.process_time()
        examples = arguments.work / "examples"
        shutil.rmtree(examples, ignore_errors=True)
        n_clips = write_examples([label for session in sessions for label in session.labels], examples, print)
        finetune(examples, arguments.model, folder, FinetuneConfig(), device="cpu")
        print(f"learnt from {n_clips} clips in {time.process_time() - begun:.0f} CPU s", flush=True)
    return folder


def precision_table(reviewed: Reviewed, judged: dict[str, Judged], priors: dict[str, Prior]) -> None:
    """Print the precision got where one was asked for, and how good the counts are."""
    print("| answers | asked | at quantile | prompts promised | reviewed | again | new | recall, new |")
    print("|---|---|---|---|---|---|---|---|")
    within: dict[int, list[bool]] = {number: [] for number in NUMBERS}
    cases = [(number, 0.9, quantile) for number in NUMBERS for quantile in (0.2, 0.5)]
    for n_answers, asked, quantile in [*cases, (20, 0.7, 0.2), (20, 0.8, 0.2)]:
        target = Target(precision=asked, quantile=quantile)
        sessions = [reviewed.session(prompt, target, n_answers, priors[prompt]) for prompt in reviewed.prompts]
        promised = {session.prompt: session.threshold.score for session in sessions if session.threshold.is_reached}
        tables = [reviewed.judged_candidates(promised)]
        for half in judged.values():
            own = [half.prompts.index(prompt) for prompt in promised]
            tables.append(half.counts(half.with_thresholds(promised))[own])
        cells = []
        for table in tables:
            _, n_found, n_false = table[table[:, 1] + table[:, 2] > 0].T
            n_missed = int(np.sum(n_found / (n_found + n_false) < asked - 0.1))
            cells.append(f"{n_found.sum() / (n_found + n_false).sum():.2f}, {n_missed} of {len(n_found)} below by .1")
        recall = tables[-1][:, 1].sum() / tables[-1][:, 0].sum()
        shown = f"{len(promised)} of {len(sessions)} | {' | '.join(cells)} | {recall:.2f}"
        print(f"| {n_answers} | {asked} | {quantile} | {shown} |", flush=True)
        if (asked, quantile) == (0.9, 0.2):
            for session in sessions:
                estimate, n_right = session.count(), sum(reviewed.answers[session.prompt].values())
                within[n_answers].append(estimate.low <= n_right <= estimate.high)
    shares = ", ".join(f"{np.mean(hits):.2f} with {number}" for number, hits in within.items())
    print(f"the number of right candidates lies within its 80 % interval: {shares} answers")


def budget_table(detector: Detector, scenes: Material) -> None:
    """Print false alarms asked for and got; prompts do not compete, so K prompts have K / 50 of those of all."""
    curve = detector.config.false_alarm_curve
    if curve is None:
        return
    halves = [Judged(scenes, detector, scenes.prompts, part) for part in ("new", "ambience")]
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
