"""Sounds that this project makes itself, as files and a manifest, to stand beside the recordings of a library."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile

from flam.core import atomic_text
from flam.library.source_library import SourceClip
from flam.procedural.built_in import LICENCE, built_in_library
from flam.procedural.speech import speak

SENTENCES = (
    "good morning, how are you today",
    "please close the door behind you",
    "the train to the city leaves at ten past four",
    "I don't think so",
    "could you pass me the salt",
    "one two three four five six",
    "what a beautiful day it is",
    "the weather tomorrow will be cold and windy",
    "hello, is anybody there",
    "thank you very much for your help",
    "we should go before it gets dark",
    "I have never seen anything like it",
    "turn left at the next crossing",
    "she said she would call back later",
    "no, that is not what I meant",
    "the meeting starts in five minutes",
    "can you hear me now",
    "the old house stood at the end of the road",
    "it was raining when we came home",
    "he read the letter twice and put it away",
)
VOICES = (
    *("en-us", "en-gb", "en-us+f2", "en-gb+f3", "en-us+m3", "en-gb+m5"),
    *("de", "fr-fr", "es", "it", "nl+f1", "pl", "pt-br+f4", "sv"),
)
COLUMNS = ("id", "file", "label", "caption", "kind", "group", "source", "licence")


def make_sounds(folder: Path, n_takes: int, n_sentences: int, seed: int = 0) -> Path:
    """Write procedural takes of every class and spoken sentences; the manifest comes last and says that all are there.

    Backgrounds are made twice, once as events, so that mixtures also hold them in the foreground. All share one group.

    Parameters
    ----------
    folder : where FLAC files and ``manifest.csv`` are written
    n_takes : takes of each procedural class
    n_sentences : sentences spoken by espeak-ng

    Returns
    -------
    path of the manifest

    Raises
    ------
    FlamError : espeak-ng is missing
    """
    folder.mkdir(parents=True, exist_ok=True)
    clips, source = built_in_library(n_takes, seed)
    rows: list[tuple[str, str, str, str]] = []

    def write(name: str, waveform: np.ndarray, label: str, caption: str, *kinds: str) -> None:
        soundfile.write(folder / f"{name}.flac", 0.8 * waveform, source.sample_rate)
        rows.extend((name, label, caption, kind) for kind in kinds)

    for clip in clips:
        kinds = ("event", "background") if clip.kind == "background" else (clip.kind,)
        name = clip.clip_id.replace("/", "-").replace(" ", "_")
        write(name, source.waveform(clip.clip_id), clip.label, clip.caption, *kinds)
    rng = np.random.default_rng(seed)
    for number in range(n_sentences):
        sentence, voice = SENTENCES[number % len(SENTENCES)], VOICES[number % len(VOICES)]
        spoken = speak(sentence, voice, int(rng.integers(120, 220)), int(rng.integers(15, 85)))
        write(f"speech-{number}", spoken, "speech", "a synthetic voice speaking", "speech")
    with atomic_text(folder / "manifest.csv") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for name, label, caption, kind in rows:
            clip_id = f"made/{name}/{kind}"
            table.writerow((clip_id, f"{name}.flac", label, caption, kind, "made", "made by this project", LICENCE))
    return folder / "manifest.csv"


def is_made(clip: SourceClip) -> bool:
    """Whether a clip comes from ``make_sounds``: such clips are for training alone, never for judging."""
    return clip.group == "made"
