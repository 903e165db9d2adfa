"""Thresholds from twenty answers, and from a budget of false alarms, on mixtures of clips a model has not heard.

    python benchmarks/review.py --library MANIFEST --sources NAME,NAME

Scenes of 20 s hold four clips of the 50 labels with most groups, 6 to 24 dB above a real ambience. The first half of
them is reviewed, with answers from the truth; events are then found in the second half. Printed are

* the prior of the logistic: median and 1.5 times the median absolute deviation of the fits to all answers,
* event F1 of 30 prompts with the model's own threshold, with the one threshold that is best for all of them in the
  reviewed half, and with thresholds from answers; the 95 % interval is of a bootstrap over prompts,
* the precision asked for, the precision got, and the share of prompts that stay more than .1 below it,
* the false alarms asked for and got with 1, 10 and 50 prompts, on scenes and on ambience alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

import flam
from flam.audio import read_audio
from flam.core import Event, FrameScores, RecordingEvents
from flam.detection import DetectionConfig, Detector, PromptSettings
from flam.detection.binarize import binarize
from flam.evaluation.detections import match_detections
from flam.library.source_library import SourceClip, read_manifest
from flam.review import ReviewConfig, ReviewSession, Target, answers_of, find_candidates, fit_logistic
from flam.review.logistic import SHIPPED_PRIOR, Prior

RATE, SCENE_S, N_EVENTS, LONGEST_S = 48_000, 20.0, 4, 6.0
N_LABELS, N_REVIEWED = 50, 30
Scene = tuple[FrameScores, list[Event]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True, help="manifest of labelled clips")
    parser.add_argument("--sources", default="", help="take clips of these sources only, with commas between them")
    parser.add_argument("--scenes", type=int, default=240)
    parser.add_argument("--model", default="flam-mini")
    arguments = parser.parse_args()
    begun = time.process_time()
    sources = set(arguments.sources.split(",")) - {""}
    clips = [clip for clip in read_manifest(arguments.library) if not sources or clip.source in sources]
    by_label: dict[str, list[SourceClip]] = defaultdict(list)
    for clip in clips:
        if clip.kind == "event" and clip.label:
            by_label[clip.label].append(clip)
    labels = sorted(by_label, key=lambda label: (-len({clip.group for clip in by_label[label]}), label))[:N_LABELS]
    ambience = [clip for clip in clips if clip.kind == "background"]
    detector = flam.load(arguments.model, n_threads=1)
    rng = np.random.default_rng(0)
    scenes = [scene(rng, detector, labels, by_label, ambience) for _ in range(arguments.scenes)]
    quiet = [(detector.score(read_audio(clip.path, RATE), labels), []) for clip in ambience]
    minutes = [sum(part.end_s for part, _ in group) / 60 for group in (scenes, quiet)]
    print(f"{len(scenes)} scenes, {minutes[0]:.0f} min, {N_EVENTS * len(scenes)} events; ambience {minutes[1]:.0f} min")
    half = len(scenes) // 2
    review_table(detector, labels[:N_REVIEWED], scenes[:half], scenes[half:])
    budget_table(detector.config, labels, scenes, quiet)
    print(f"{time.process_time() - begun:.0f} CPU s")


def scene(
    rng: np.random.Generator,
    detector: Detector,
    labels: list[str],
    by_label: dict[str, list[SourceClip]],
    ambience: list[SourceClip],
) -> Scene:
    """Scores of the labels in a mixture, and its events."""
    background = ambience[rng.integers(len(ambience))]
    mixture = np.resize(read_audio(background.path, RATE), round(SCENE_S * RATE)).copy()
    level = math.sqrt(float(np.mean(mixture**2)) + 1e-10)
    events = []
    for label in rng.choice(labels, N_EVENTS):
        clip = by_label[label][rng.integers(len(by_label[label]))]
        sound = trimmed(read_audio(clip.path, RATE))[: round(LONGEST_S * RATE)]
        start = int(rng.integers(0, len(mixture) - len(sound)))
        gain = level * 10 ** (rng.uniform(6, 24) / 20) / math.sqrt(float(np.mean(sound**2)) + 1e-10)
        mixture[start : start + len(sound)] += gain * sound
        events.append(Event(start / RATE, (start + len(sound)) / RATE, str(label)))
    return detector.score(0.9 * mixture / max(float(np.abs(mixture).max()), 1e-9), labels), events


def trimmed(waveform: np.ndarray) -> np.ndarray:
    """Without what is 40 dB below the peak at both ends."""
    loud = np.flatnonzero(np.abs(waveform) > 0.01 * np.abs(waveform).max(initial=1e-9))
    return waveform[loud[0] : loud[-1] + 1] if len(loud) else waveform[:RATE]


def found(scenes: list[Scene], config: DetectionConfig, prompts: list[str]) -> list[list[Event]]:
    """Events of some of the prompts in each scene."""
    result = []
    for scores, _ in scenes:
        columns = [scores.prompts.index(prompt) for prompt in prompts]
        part = dataclasses.replace(scores, scores=scores.scores[:, columns], prompts=tuple(prompts))
        result.append(sorted(binarize([part], config)))
    return result


def counts(scenes: list[Scene], config: DetectionConfig, prompts: list[str]) -> np.ndarray:
    """(K, 3): events, events found, false alarms of each prompt."""
    table = np.zeros((len(prompts), 3))
    for (_, events), detections in zip(scenes, found(scenes, config, prompts), strict=True):
        for k, prompt in enumerate(prompts):
            own = [event for event in events if event.prompt == prompt]
            hits = [event for event in detections if event.prompt == prompt]
            matches = match_detections(hits, own)
            n_found = sum(error is not None for error in matches.onset_errors_s)
            table[k] += len(own), n_found, matches.n_false_alarms
    return table


def f1_of(table: np.ndarray) -> np.ndarray:
    """(K,) F1 of each prompt."""
    n_events, n_found, n_false = table.T
    return 2 * n_found / np.maximum(n_events + n_found + n_false, 1)


def with_interval(values: np.ndarray) -> str:
    draws = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return f"{values.mean():.3f} ({low:.3f}-{high:.3f})"


def review_table(detector: Detector, prompts: list[str], reviewed: list[Scene], held_out: list[Scene]) -> None:
    """Print F1 and precision of thresholds from answers."""
    curve = detector.config.false_alarm_curve
    floor = 0.8 if curve is None else curve.thresholds[0] - 0.1
    plain = dataclasses.replace(detector.config, prompts={}, false_alarms_per_hour=None)
    low = dataclasses.replace(plain, threshold=floor, low_threshold=floor)
    recordings = [
        RecordingEvents(str(number), SCENE_S, tuple(events))
        for number, events in enumerate(found(reviewed, low, prompts))
    ]
    truth = {str(number): events for number, (_, events) in enumerate(reviewed)}
    candidates = {prompt: find_candidates(recordings, prompt) for prompt in prompts}
    answers = {prompt: answers_of(candidates[prompt], truth, prompt) for prompt in prompts}
    numbers = np.array([full_fit(candidates[prompt], answers[prompt], prompt) for prompt in prompts])
    middle = np.median(numbers, axis=0)
    spread = 1.5 * np.median(np.abs(numbers - middle), axis=0)
    prior = Prior(*(round(float(value), 2) for value in (middle[0], spread[0], middle[1], spread[1])))
    print(f"prior of these prompts {prior}; shipped {SHIPPED_PRIOR}")
    print(f"candidates of a prompt: {np.median([len(c) for c in candidates.values()]):.0f} in the median")
    settled = detector.operating_point(prompts, dataclasses.replace(detector.config, prompts={}))
    print("| threshold | event F1, 30 prompts |\n|---|---|")
    print(f"| the model's own, {settled.threshold:.4f} | {with_interval(f1_of(counts(held_out, settled, prompts)))} |")
    grid = [1 - 10**-x for x in np.linspace(0.8, 3, 23)]
    best = max(grid, key=lambda t: f1_of(counts(reviewed, dataclasses.replace(plain, threshold=t), prompts)).mean())
    table = counts(held_out, dataclasses.replace(plain, threshold=best), prompts)
    print(f"| one for all that is best in the reviewed half, {best:.4f} | {with_interval(f1_of(table))} |")
    rows = []
    for n_answers in (5, 10, 20, 30):
        for target in (Target("f1"), Target(precision=0.9), Target(precision=0.9, quantile=0.5), Target(precision=0.7)):
            config = ReviewConfig(target=target, max_answers=n_answers, precise_enough=0.0)
            own = {}
            for prompt in prompts:
                session = ReviewSession(prompt, candidates[prompt], config=config)
                while (candidate := session.next()) is not None:
                    is_right = answers[prompt][candidates[prompt].index(candidate)]
                    session.answer(candidate, "right" if is_right else "wrong")
                own[prompt] = PromptSettings(threshold=session.threshold.score)
            table = counts(held_out, dataclasses.replace(plain, prompts=own), prompts)
            if target.kind == "f1":
                print(f"| from {n_answers} answers | {with_interval(f1_of(table))} |")
            else:
                rows.append((n_answers, target, table))
    print("| answers | asked | at | precision, all events | recall | prompts more than .1 below |")
    print("|---|---|---|---|---|---|")
    for n_answers, target, table in rows:
        n_events, n_found, n_false = table.sum(axis=0)
        shown = table[:, 1] + table[:, 2] > 0
        precision = table[shown, 1] / (table[shown, 1] + table[shown, 2])
        missed = np.mean(precision < target.precision - 0.1)
        share = n_found / max(n_found + n_false, 1)
        print(
            f"| {n_answers} | {target.precision} | {target.quantile} | {share:.2f} | {n_found / n_events:.2f} "
            f"| {missed:.2f} of {shown.sum()} |"
        )


def full_fit(candidates: tuple, answers: dict[int, bool], prompt: str) -> tuple[float, float]:
    """Intercept and slope from the answers to all candidates, with hardly any prior."""
    session = ReviewSession(prompt, candidates)
    fit = fit_logistic(session.pool.x, np.array(list(answers.values()), bool), Prior(-1.0, 3.0, 1.5, 2.0))
    return fit.intercept, fit.slope


def budget_table(config: DetectionConfig, labels: list[str], scenes: list[Scene], quiet: list[Scene]) -> None:
    """Print false alarms asked for and got; prompts do not compete, so K prompts have K / 50 of those of all."""
    curve = config.false_alarm_curve
    if curve is None:
        return
    print("| prompts | asked, an hour | threshold | got in scenes | got in ambience |\n|---|---|---|---|---|")
    for n_prompts in (1, 10, 50):
        for per_hour in (10.0, 30.0, 150.0):
            threshold = curve.threshold(per_hour, n_prompts)
            chosen = dataclasses.replace(config, threshold=threshold, prompts={}, false_alarms_per_hour=None)
            got = []
            for group in (scenes, quiet):
                n_false = counts(group, chosen, labels)[:, 2].sum() * n_prompts / len(labels)
                got.append(n_false / (sum(scores.end_s for scores, _ in group) / 3600))
            print(f"| {n_prompts} | {per_hour:g} | {threshold:.4f} | {got[0]:.1f} | {got[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
