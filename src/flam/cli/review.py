"""``flam review``: a few answers for each prompt become a threshold and a probability."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from flam.core.progress import Reporter
    from flam.review import ReviewSession
    from flam.review.labels import Label

KEYS: dict[str, Literal["right", "wrong", "unsure"]] = {"y": "right", "n": "wrong", "?": "unsure"}
HELP = "y right, n wrong, ? unsure, u undo, p play again, q stop"
PADDING_S = 1.0


def review(
    results: Annotated[str, Parameter(help="Recordings, an archive, or a file of events found with a low threshold.")],
    /,
    *more: Annotated[str, Parameter(help="Further recordings.")],
    prompt: Annotated[
        tuple[str, ...],
        Parameter(
            name=["--prompt", "-p"],
            help="Prompt to review, once for each; those of -o.",
            negative="",
            show_default=False,
        ),
    ] = (),
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="Prompts file to write or extend (YAML).")],
    labels: Annotated[Path | None, Parameter(help="CSV that keeps the answers; beside the prompts file.")] = None,
    clips: Annotated[
        Path | None, Parameter(help="Write clips and a CSV of questions here instead of asking; fill in 'verdict'.")
    ] = None,
    answers: Annotated[Path | None, Parameter(help="CSV of questions that was filled in.")] = None,
    precision: Annotated[float, Parameter(help="Share of events that should be right; 0.9.")] = 0.9,
    f1: Annotated[bool, Parameter(negative="", help="Balance precision and recall instead.")] = False,
    count: Annotated[int, Parameter(name="-n", help="Most answers of a prompt; 20.")] = 20,
    floor: Annotated[float | None, Parameter(help="Lowest score of a candidate; default: that of the curve.")] = None,
    site: Annotated[str, Parameter(help="Use only answers from this place, and mark new ones with it.")] = "",
    model: Annotated[str, Parameter(help="Model; flam-mini.")] = "flam-mini",
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress on stderr.")] = False,
) -> int:
    """Answer "is this it?" a few times for each prompt; get a threshold and a probability that fit it."""
    from flam.cli.review_sources import collect
    from flam.core import output_lock
    from flam.core.progress import Reporter
    from flam.core.terminal import printable
    from flam.detection.prompt_file import PromptList, merged, read_prompt_file, write_prompt_file
    from flam.jobs.outputs import require_parent
    from flam.review import ReviewConfig, ReviewSession, Target, find_candidates, read_labels, write_labels

    reporter = Reporter(quiet)
    target = Target("f1") if f1 else Target("precision", precision)
    require_parent(output)
    with output_lock(output):
        earlier = read_prompt_file(output) if output.exists() else PromptList(())
        labels_path = output.with_suffix(".labels.csv") if labels is None else labels
        known = read_labels(labels_path) if labels_path.exists() else []
        known += [] if answers is None else read_labels(answers)
        wanted = PromptList.of(prompt or earlier.plain())
        own = {entry.prompt: entry for entry in earlier.prompts}
        asked = PromptList(tuple(own.get(entry.prompt, entry) for entry in wanted.prompts))
        found = collect((results, *more), asked, model, floor, reporter)
        config = ReviewConfig(target=target, max_answers=count)
        fresh = []
        for entry in asked.prompts:
            candidates = find_candidates(found.recordings, entry.prompt)
            if not candidates:
                reporter.error(f"prompt {entry.prompt!r} has no candidates; lower --floor, or give more recordings")
                continue
            session = ReviewSession(entry.prompt, candidates, known, found.hashes, found.model_id, site, config)
            if clips is not None:
                _write_clips(session, clips, found.hashes, found.model_id, site, reporter)
                continue
            of_session = set(session.labels)
            others = [label for label in known if label not in of_session]
            goes_on = answers is not None or _ask(session, others, labels_path)
            known = [*others, *session.labels]
            write_labels(known, labels_path)
            if not session.answers:
                break
            fresh.append(session.entry(found.score, entry))
            write_prompt_file(merged(earlier, fresh), output)
            estimate, threshold = session.count(), session.threshold.score
            print(printable(f"{entry.prompt}: {session.summary()}"))
            span = f"{estimate.middle:.0f} ({estimate.low:.0f}-{estimate.high:.0f})"
            print(f"  threshold {threshold:.4g}; {span} of {len(candidates)} candidates are right")
            if not goes_on:
                break
    return 1 if reporter.n_problems else 0


def _ask(session: ReviewSession, others: Sequence[Label], labels_path: Path) -> bool:
    """Ask until there are answers enough, saving each; False where the person stops."""
    from flam.annotations.table import clock
    from flam.core.terminal import printable
    from flam.review import write_labels

    print(printable(f"{session.prompt}: is this it? {HELP}"), file=sys.stderr)
    while (candidate := session.next()) is not None:
        _play(candidate.recording, candidate.onset_s, candidate.offset_s)
        span = f"{clock(candidate.onset_s)}-{clock(candidate.offset_s)}"
        place = f"{len(session.answers) + 1:3d}  {candidate.recording}  {span}  {candidate.score:.3f}"
        print(printable(place), end="  ? ", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        key = line.strip().lower()[:1]
        if not line or key == "q":
            return False
        if key == "u":
            session.undo()
        elif key in KEYS:
            session.answer(candidate, KEYS[key])
        elif key != "p":
            print(HELP, file=sys.stderr)
        write_labels([*others, *session.labels], labels_path)
    return True


def _play(recording: str, onset_s: float, offset_s: float) -> None:
    """Play a candidate with a second around it, where there is something to play with."""
    from flam.audio.live import import_sounddevice
    from flam.core.errors import is_installed

    if not is_installed("sounddevice"):
        return
    from flam.review.examples import read_span

    samples, sample_rate = read_span(recording, onset_s - PADDING_S, offset_s + PADDING_S)
    try:
        sounddevice = import_sounddevice()
        sounddevice.play(samples, sample_rate)
    except Exception as error:  # whatever a sound system lacks, the questions can still be answered
        print(f"can't be played ({error}); use --clips FOLDER", file=sys.stderr)


def _write_clips(
    session: ReviewSession, folder: Path, hashes: Mapping[str, str], model_id: str, site: str, reporter: Reporter
) -> None:
    """Write the candidates that would be asked for about, and a CSV with a row for each."""
    from flam.audio.write import write_audio
    from flam.live.mqtt import slug
    from flam.review import write_questions
    from flam.review.examples import read_span
    from flam.review.session import spread_questions

    folder.mkdir(parents=True, exist_ok=True)
    chosen = [session.candidates[place] for place in spread_questions(session.pool, session.config.max_answers)]
    for number, candidate in enumerate(chosen, start=1):
        samples, sample_rate = read_span(
            candidate.recording, candidate.onset_s - PADDING_S, candidate.offset_s + PADDING_S
        )
        write_audio(folder / f"{slug(session.prompt)}_{number:02d}.wav", samples, sample_rate)
    path = folder / f"{slug(session.prompt)}.csv"
    write_questions(session.prompt, chosen, path, hashes, model_id, site)
    reporter.say(f"{path}: {len(chosen)} questions; fill in 'verdict' with y, n or ?, then give it with --answers")
