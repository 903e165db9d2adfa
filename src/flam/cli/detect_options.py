"""The options of ``flam detect``, declared without importing anything slow, so that help comes at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

FIND = Group("What to find", sort_key=1)
RESULTS = Group("Where results go", sort_key=2)
EVENTS = Group("From scores to events (defaults: those of the model)", sort_key=3)
RUNNING = Group("Model and machine", sort_key=4)

Format = Literal[
    "table", "csv", "json", "jsonl", "audacity", "raven", "dcase", "jams", "label-studio", "srt", "vtt"
]  # flam.annotations.FORMATS, written out so that help imports no numpy; a test compares them


def _option(group: Group, metavar: str | None, help: str, *names: str) -> Parameter:
    return Parameter(name=names or None, help=help, metavar=metavar, group=group, negative=(), show_default=False)


@dataclass(frozen=True)
class Find:
    """What to find."""

    prompt: Annotated[
        tuple[str, ...], _option(FIND, "TEXT", "Sound to find, in words; once for each.", "--prompt", "-p")
    ] = ()
    prompts: Annotated[
        Path | None,
        _option(FIND, "FILE", "Prompts, one a line, or YAML from flam review. 'everyday': 300 common sounds."),
    ] = None
    suppress: Annotated[
        tuple[str, ...],
        _option(
            FIND,
            "TEXT",
            "Sound that must not be mistaken for a prompt: where it scores higher, the prompt is off.",
            "--not",
        ),
    ] = ()
    settings: Annotated[
        Path | None, _option(FIND, "FILE", "Settings file of an earlier run to replay; options given here win over it.")
    ] = None


@dataclass(frozen=True)
class Results:
    """Where results go."""

    output: Annotated[
        str | None,
        _option(
            RESULTS,
            "PATH",
            "File, or folder with a file per recording; a rerun skips what is finished.",
            "--output",
            "-o",
        ),
    ] = None
    format: Annotated[
        Format | None,
        _option(RESULTS, None, "Format; default: the suffix of -o decides, csv in a folder, else table."),
    ] = None
    plot: Annotated[
        str | None,
        _option(RESULTS, "PATH", "Picture of spectrogram, scores and events (png, pdf, svg), or a folder of them."),
    ] = None
    save_scores: Annotated[
        str | None, _option(RESULTS, "PATH", "Score of every frame and prompt as .npz, or a folder of them.")
    ] = None
    top: Annotated[
        int | None,
        _option(RESULTS, "N", "Only the N best events of each prompt in all recordings; not with a folder."),
    ] = None
    rank: Annotated[
        bool, _option(RESULTS, None, "Order events by score, not by recording and time (table, csv, jsonl).")
    ] = False
    hide_empty: Annotated[bool, _option(RESULTS, None, "Leave out recordings without events; not with a folder.")] = (
        False
    )
    cut: Annotated[
        str | None, _option(RESULTS, "DIR", "Also cut each event out into a file of its own in this folder.")
    ] = None
    cut_format: Annotated[Literal["flac", "wav"], _option(RESULTS, None, "Format of these files; flac.")] = "flac"
    cut_padding_s: Annotated[
        float, _option(RESULTS, "SECONDS", "Before and after each event in them; 0.5.", "--cut-padding")
    ] = 0.5
    time_zone: Annotated[
        str | None,
        _option(
            RESULTS,
            "ZONE",
            "Write date and time of day too, from the names or metadata of the recordings, in this zone: Europe/Oslo, "
            "+02:00, or recorder for the clock as the recorder wrote it.",
        ),
    ] = None
    overwrite: Annotated[bool, _option(RESULTS, None, "Do finished recordings again.")] = False
    quiet: Annotated[bool, _option(RESULTS, None, "No progress on stderr.", "--quiet", "-q")] = False


@dataclass(frozen=True)
class Events:
    """From scores to events; the names are those of ``flam.detection.DetectionConfig``, but for two."""

    score: Annotated[
        Literal["posterior", "unbiased", "approximate"] | None, _option(EVENTS, None, "Kind of score to threshold.")
    ] = None
    threshold: Annotated[
        float | None, _option(EVENTS, "SCORE", "An event is where the score reaches this, 0 to 1.")
    ] = None
    false_alarms: Annotated[
        str | None,
        _option(EVENTS, "RATE", "Threshold for so many false alarms of all prompts together, such as 1/h or 2/min."),
    ] = None
    precision_target: Annotated[
        float | None, _option(EVENTS, "SHARE", "Thresholds at which so many are right, from reviews (--prompts).")
    ] = None
    low_threshold: Annotated[
        float | None, _option(EVENTS, "SCORE", "It lasts, before and after, while the score is at least this.")
    ] = None
    median_s: Annotated[
        float | None, _option(EVENTS, "SECONDS", "Length of the median filter over scores, seconds.", "--median")
    ] = None
    min_duration_s: Annotated[
        float | None, _option(EVENTS, "SECONDS", "Shorter events are dropped, seconds.", "--min-duration")
    ] = None
    merge_gap_s: Annotated[
        float | None, _option(EVENTS, "SECONDS", "Events with a shorter gap become one, seconds.", "--merge-gap")
    ] = None
    silence_db: Annotated[
        float | None,
        _option(EVENTS, "DB", "Frames quieter than this hold nothing, dB relative to full scale.", "--silence"),
    ] = None


@dataclass(frozen=True)
class Running:
    """Model and machine."""

    model: Annotated[str | None, _option(RUNNING, "MODEL", "Name (see flam models list) or folder; flam-mini.")] = None
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"] | None, _option(RUNNING, None, "Where to compute; auto.")
    ] = None
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "int8"] | None,
        _option(RUNNING, None, "bf16 and int8 need hardware that computes in them; auto."),
    ] = None
    backend: Annotated[
        Literal["auto", "onnx", "torch"] | None,
        _option(RUNNING, None, "What computes: auto is onnx where the model has graphs and no GPU is asked for."),
    ] = None
    channel: Annotated[
        str | None,
        _option(
            RUNNING, "auto|mix|N", "Channels to hear: their mean, raised where it loses sound; plain mean; one; auto."
        ),
    ] = None
    track: Annotated[int | None, _option(RUNNING, "N", "Audio track of videos to hear; all of them.")] = None


@dataclass(frozen=True)
class RunningMany(Running):
    """Model and machine, for many recordings."""

    jobs: Annotated[
        int | None, _option(RUNNING, "N", "Processes; default: one for few recordings, one per core for many.")
    ] = None
