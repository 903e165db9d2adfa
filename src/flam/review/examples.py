"""Answers as a folder to learn from: right ones by prompt, wrong ones as examples of none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from flam.audio import open_recording
from flam.audio.write import write_audio
from flam.core import AudioError, ConfigError
from flam.review.labels import Label

BACKGROUND = "background"
LONGEST_S = 30.0


def write_examples(labels: Sequence[Label], folder: Path, on_problem: Callable[[str], None]) -> int:
    """Cut what was judged out of the recordings, as ``flam finetune`` reads folders: a sub-folder for each prompt.

    What is wrong for every prompt goes to ``background``. What is wrong for one of several may be another's sound, of
    which nobody was asked there, and is left out.

    Parameters
    ----------
    labels : sequence of Label
        Answers; "unsure" teaches nothing.
    folder : Path
        Made if it is not there; files of an earlier run are replaced.
    on_problem : callable
        Told, in a line each, of recordings that can't be read.

    Returns
    -------
    int
        Clips that were written.

    Raises
    ------
    ConfigError
        If no answer is right, or a recording of every right one is gone.
    """
    right = [label for label in labels if label.verdict == "right"]
    prompts, all_wrong = {label.prompt for label in labels}, [label for label in labels if label.verdict == "wrong"]
    wrong = [
        label
        for label in all_wrong
        if {other.prompt for other in all_wrong if _is_same_sound(label, other)} == prompts
        and not any(_is_same_sound(label, other) for other in right)
    ]
    written = {True: 0, False: 0}
    for number, label in enumerate([*right, *wrong]):
        is_right = label.verdict == "right"
        place = folder / (re.sub(r"[^\w'-]+", "_", label.prompt).strip("_") if is_right else BACKGROUND)
        try:
            samples, sample_rate = read_span(label.recording, label.onset_s, label.offset_s)
        except AudioError as error:
            on_problem(str(error))
            continue
        if not len(samples):
            on_problem(f"{label.recording}: ends before {label.onset_s:.1f} s, where an answer is; give the same file")
            continue
        place.mkdir(parents=True, exist_ok=True)
        write_audio(place / f"{number:05d}_{Path(label.recording).stem}.wav", samples, sample_rate)
        written[is_right] += 1
    if not written[True]:
        raise ConfigError("no answer is right and its recording at hand; review more, or give the recordings' folder")
    return written[True] + written[False]


def read_span(recording: str, start_s: float, end_s: float) -> tuple[np.ndarray, int]:
    """Read the mono sound of a span, 30 s at most.

    Parameters
    ----------
    recording : str
        Path of the file.
    start_s, end_s : float
        Seconds; what lies outside the recording is left out.

    Returns
    -------
    tuple of numpy.ndarray and int
        (n,) float32 samples, and their rate in Hz.

    Raises
    ------
    AudioError
        If the recording can't be read.
    """
    with open_recording(recording) as opened:
        sample_rate = opened.sample_rate
        start = max(0, round(start_s * sample_rate))
        n_samples = round(min(end_s - max(start_s, 0.0), LONGEST_S) * sample_rate)
        parts: list[np.ndarray] = []
        n_read = 0
        for block in opened.blocks(start):
            parts.append(block.mean(axis=1, dtype=np.float32)[: n_samples - n_read])
            n_read += len(parts[-1])
            if n_read >= n_samples:
                break
    return np.concatenate([np.zeros(0, np.float32), *parts]), sample_rate


def _is_same_sound(label: Label, other: Label) -> bool:
    is_same = label.recording_hash == other.recording_hash and label.recording == other.recording
    return is_same and label.onset_s < other.offset_s and other.onset_s < label.offset_s
