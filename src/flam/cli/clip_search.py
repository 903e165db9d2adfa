"""``flam search --clips``: whole files ranked by words or by another file, and files that are almost the same."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from flam.annotations.rows import spreadsheet_safe
from flam.cli.detect_options import Find
from flam.cli.search_options import Answers, Keep, Together, choose_filters
from flam.core import ConfigError, Event, atomic_text
from flam.core.terminal import safe_stdout
from flam.search import Archive, Span
from flam.search.examples import Example, RankedClip, near_duplicates, rank_clips
from flam.search.filters import Filters

if TYPE_CHECKING:
    from flam.core.progress import Reporter

SHOWN_CLIPS = 20


def search_clips(
    archives: Sequence[Archive],
    find: Find,
    together: Together,
    keep: Keep,
    answers: Answers,
    duplicates: float | None,
    reporter: Reporter,
) -> int:
    """Rank whole files and write the ranking as CSV; gives the exit code.

    Words rank files; an example with ``--like`` ranks files by their sound; an example with a prompts file ranks its
    prompts; ``--duplicates`` lists pairs of files.

    Raises
    ------
    ConfigError
        Nothing to rank by, or options that do not go together.
    """
    header: tuple[str, ...]
    _require_clip_options(find, together, keep, answers)
    if duplicates is not None:
        header, rows = ("cosine", "recording", "other"), _pairs(archives, duplicates)
    elif together.like and find.prompts is not None:
        header, rows = ("cosine", "prompt"), _texts(archives[0], together, find)
    else:
        header, rows = (
            ("rank", "cosine", "prompt", "recording"),
            _files(archives, find, together, keep, answers, reporter),
        )
    _write(header, list(rows), answers.output)
    return 0


def _require_clip_options(find: Find, together: Together, keep: Keep, answers: Answers) -> None:
    of_spans = {
        "--all": together.all_,
        "--any": together.any_,
        "--then": together.then is not None,
        "--not": find.suppress,
        "--loudness": keep.loudness is not None,
        "--format": answers.format is not None,
        "--cut": answers.cut is not None,
        "--sheet": answers.sheet is not None,
    }
    for option, is_given in of_spans.items():
        if is_given:
            raise ConfigError(f"{option} is about spans, --clips ranks whole files; leave one of them out")


def _files(
    archives: Sequence[Archive], find: Find, together: Together, keep: Keep, answers: Answers, reporter: Reporter
) -> Iterator[tuple[str, ...]]:
    from flam.cli.search import choose_prompts

    filters, top = choose_filters(keep), answers.top
    if top is None and answers.output is None:
        top = SHOWN_CLIPS
    detector, rate = archives[0].detector, archives[0].settings.sample_rate
    if together.like:
        vectors = {text: detector.embed_audio(str(Example.parse(text).path)) for text in together.like}
    else:
        names = list(choose_prompts(find).names)
        vectors = dict(zip(names, detector.embed_text(names).text_features, strict=True))
    for label, vector in vectors.items():
        ranked = [clip for archive in archives for clip in rank_clips(archive, vector)]
        ranked = sorted((clip for clip in ranked if _is_kept(clip, filters, rate)), key=lambda clip: -clip.cosine)
        for rank, clip in enumerate(ranked[:top], start=1):
            yield str(rank), f"{clip.cosine:.4f}", label, clip.recording.path
        if answers.top is None and len(ranked) > len(ranked[:top]):
            reporter.say(f"{label}: the best {top} of {len(ranked)} files; --top {len(ranked)} or -o gives all")


def _is_kept(clip: RankedClip, filters: Filters, sample_rate: int) -> bool:
    """Whether a file, as one span from its beginning to its end, passes."""
    event = Event(0.0, clip.recording.n_samples / sample_rate, "", clip.cosine, clip.cosine)
    return filters.keep_recording(clip.recording) and filters.keep_span(Span(clip.recording, event, 0.0))


def _texts(archive: Archive, together: Together, find: Find) -> Iterator[tuple[str, ...]]:
    from flam.cli.search import choose_prompts

    names = list(choose_prompts(find).names)
    features = archive.detector.embed_text(names).text_features
    for text in together.like:
        cosines = features @ archive.detector.embed_audio(str(Example.parse(text).path))
        for row in (-cosines).argsort().tolist():
            yield f"{cosines[row]:.4f}", names[row]


def _pairs(archives: Sequence[Archive], min_cosine: float) -> Iterator[tuple[str, ...]]:
    if not -1 <= min_cosine <= 1:
        raise ConfigError(f"--duplicates {min_cosine} is no cosine; 0.98 is a good value")
    for archive in archives:
        for one, other, cosine in near_duplicates(archive, min_cosine):
            yield f"{cosine:.4f}", one.path, other.path


def _write(header: tuple[str, ...], rows: list[tuple[str, ...]], output: str | None) -> None:
    if output is None:
        _write_rows(header, rows, safe_stdout())
        return
    with atomic_text(Path(output)) as file:
        _write_rows(header, rows, file)


def _write_rows(header: tuple[str, ...], rows: list[tuple[str, ...]], file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(map(spreadsheet_safe, row) for row in rows)
