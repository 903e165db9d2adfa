"""``flam calibrate``: thresholds and probabilities from annotated recordings instead of answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def calibrate(
    annotations: Annotated[Path, Parameter(help="Events of recordings, complete, in any format that can be read.")],
    /,
    *recordings: Annotated[str, Parameter(help="The recordings, or a file of events found with a low threshold.")],
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="Prompts file to write or extend (YAML).")],
    prompt: Annotated[
        tuple[str, ...],
        Parameter(
            name=["--prompt", "-p"],
            help="Labels to fit, as they are annotated; default: all.",
            negative="",
            show_default=False,
        ),
    ] = (),
    precision: Annotated[float, Parameter(help="Share of events that should be right; 0.9.")] = 0.9,
    f1: Annotated[bool, Parameter(negative="", help="Balance precision and recall instead.")] = False,
    floor: Annotated[float | None, Parameter(help="Lowest score of a candidate; default: that of the curve.")] = None,
    model: Annotated[str, Parameter(help="Model; flam-mini.")] = "flam-mini",
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress on stderr.")] = False,
) -> int:
    """Fit a threshold and a probability to each label of annotated recordings."""
    from flam.annotations import read_events
    from flam.cli.review_sources import collect
    from flam.core import output_lock
    from flam.core.progress import Reporter
    from flam.core.terminal import printable
    from flam.detection.prompt_file import PromptList, merged, read_prompt_file, write_prompt_file
    from flam.jobs.outputs import require_parent
    from flam.review import ReviewConfig, ReviewSession, Target, answers_of, find_candidates

    reporter = Reporter(quiet)
    target = Target("f1") if f1 else Target("precision", precision)
    require_parent(output)
    with output_lock(output):
        annotated = {Path(item.recording).name: item.events for item in read_events(annotations)}
        labels = prompt or tuple(sorted({event.prompt for events in annotated.values() for event in events}))
        earlier = read_prompt_file(output) if output.exists() else PromptList(())
        own = {entry.prompt: entry for entry in earlier.prompts}
        asked = PromptList(tuple(own.get(entry.prompt, entry) for entry in PromptList.of(labels).prompts))
        found = collect(recordings, asked, model, floor, reporter)
        events_of = {
            item.recording: annotated[Path(item.recording).name]
            for item in found.recordings
            if Path(item.recording).name in annotated
        }
        fresh = []
        for entry in asked.prompts:
            candidates = find_candidates(found.recordings, entry.prompt, per_recording=10**9)
            answers = answers_of(candidates, events_of, entry.prompt)
            if not answers:
                reporter.error(f"prompt {entry.prompt!r} has no candidates in annotated recordings; lower --floor")
                continue
            session = ReviewSession(
                entry.prompt,
                candidates,
                hashes=found.hashes,
                model_id=found.model_id,
                config=ReviewConfig(target=target),
            )
            session.answer_all(answers)
            fresh.append(session.entry(found.score, entry))
            print(printable(f"{entry.prompt}: {session.summary()}"))
        if fresh:
            write_prompt_file(merged(earlier, fresh), output)
    return 1 if reporter.n_problems else 0
