"""The options of ``flam search`` and ``flam count``, declared without importing anything slow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from flam.cli.detect_options import Format

TOGETHER = Group("Sounds together", sort_key=2)
FILTER = Group("Which spans count", sort_key=3)
RESULTS = Group("Where results go", sort_key=4)


def _option(group: Group, metavar: str | None, help: str, *names: str) -> Parameter:
    return Parameter(name=names or None, help=help, metavar=metavar, group=group, negative=(), show_default=False)


@dataclass(frozen=True)
class Together:
    """Examples, and sounds together."""

    like: Annotated[
        tuple[str, ...],
        _option(TOGETHER, "FILE[@S-S]", "Clip that sounds like what is searched for, or a part of it in seconds."),
    ] = ()
    all_: Annotated[bool, _option(TOGETHER, None, "Only where all prompts sound together.", "--all")] = False
    any_: Annotated[bool, _option(TOGETHER, None, "Join spans of the prompts that overlap.", "--any")] = False
    then: Annotated[str | None, _option(TOGETHER, "TEXT", "Only where this sound follows.", "--then")] = None
    within: Annotated[
        str | None, _option(TOGETHER, "SECONDS", "How far apart, for --all and --then; 0 and 5 s.", "--within")
    ] = None


@dataclass(frozen=True)
class Keep:
    """Which spans count."""

    path: Annotated[
        tuple[str, ...], _option(FILTER, "PATTERN", "Recordings by path, with * and ?; once for each.", "--path")
    ] = ()
    after: Annotated[str | None, _option(FILTER, "DATE", "Not before this date or time.")] = None
    before: Annotated[str | None, _option(FILTER, "DATE", "Before this date or time.")] = None
    time_of_day: Annotated[str | None, _option(FILTER, "FROM-TO", "For example 22:00-05:00.")] = None
    duration: Annotated[str | None, _option(FILTER, "S..S", "Length of the span, for example 0.5..5 or ..2.")] = None
    loudness: Annotated[
        str | None,
        _option(FILTER, "DB..DB", "Mean level, dB re full scale, for example -40.. ."),
        Parameter(allow_leading_hyphen=True),
    ] = None
    from_score: Annotated[
        float | None, _option(FILTER, "SCORE", "Begin in the middle of the ranking, at this score.")
    ] = None


@dataclass(frozen=True)
class Answers:
    """Where results go."""

    top: Annotated[
        int | None,
        _option(
            RESULTS,
            "N",
            "Only the best N; default: files hold all, and the terminal shows the best 50.",
            "--top",
            "-n",
        ),
    ] = None
    output: Annotated[str | None, _option(RESULTS, "FILE", "File; default: stdout.", "--output", "-o")] = None
    format: Annotated[
        Format | None, _option(RESULTS, None, "Format; default: the suffix of -o decides, else table.")
    ] = None
    cut: Annotated[Path | None, _option(RESULTS, "DIR", "Cut each span out into a clip in this folder.")] = None
    padding: Annotated[float, _option(RESULTS, "SECONDS", "Before and after each clip; 0.5.")] = 0.5
    cut_format: Annotated[Literal["flac", "wav"], _option(RESULTS, None, "Format of the clips; flac.")] = "flac"
    sheet: Annotated[
        Path | None, _option(RESULTS, "PICTURE", "Contact sheet: a spectrogram of each span (png, pdf, svg).")
    ] = None
    quiet: Annotated[bool, _option(RESULTS, None, "No progress on stderr.", "--quiet", "-q")] = False


def choose_filters(keep: Keep):
    """Filters from the options.

    Raises
    ------
    ConfigError
        An option that can't be read.
    """
    import math

    from flam.search.filters import Filters, parse_moment, parse_range, parse_time_of_day

    low_s, high_s = (0.0, math.inf) if keep.duration is None else parse_range(keep.duration, "duration")
    low_db, high_db = (-math.inf, math.inf) if keep.loudness is None else parse_range(keep.loudness, "loudness")
    return Filters(
        paths=keep.path,
        after=None if keep.after is None else parse_moment(keep.after),
        before=None if keep.before is None else parse_moment(keep.before),
        time_of_day=None if keep.time_of_day is None else parse_time_of_day(keep.time_of_day),
        min_duration_s=low_s,
        max_duration_s=high_s,
        min_level_db=low_db,
        max_level_db=high_db,
        max_score=1.0 if keep.from_score is None else keep.from_score,
    )
