"""``flam tag``: the best prompts for each whole file."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from flam.core.progress import Reporter
    from flam.detection import Detector
    from flam.jobs.analysis import Tags

MOST_TAGS = 100


def tag(
    *recordings: Annotated[str, Parameter(help="Files and folders, including subfolders.")],
    prompt: Annotated[
        tuple[str, ...], Parameter(name=["--prompt", "-p"], help="Word to choose from; once for each.", negative="")
    ] = (),
    prompts: Annotated[
        Path | None,
        Parameter(help="File with a word to choose from on each line; default without -p: 300 everyday sounds."),
    ] = None,
    top: Annotated[int, Parameter(name=["--top", "-n"], help="At most this many tags per file.")] = 3,
    threshold: Annotated[float, Parameter(help="Lowest score of a tag, 0 to 1.")] = 0.0,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Table to write, .csv; default: stdout.")
    ] = None,
    beside: Annotated[
        bool, Parameter(help="Also write NAME.tags.csv beside each file.", negative="", show_default=False)
    ] = False,
    model: Annotated[str | None, Parameter(help="Name (see flam models list) or folder; flam-mini.")] = None,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], Parameter(help="Where to compute.")] = "auto",
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress on stderr.")] = False,
) -> int:
    """Tag each recording with the words that score highest anywhere in it, one row per file.

    For example: flam tag library/ -o tags.csv

    For example: flam tag library/ --prompts my_words.txt --top 5 --beside
    """
    import flam
    from flam.cli.prompts import EVERYDAY, collect_prompts
    from flam.core import ConfigError, atomic_text, output_lock
    from flam.core.progress import Reporter
    from flam.core.terminal import safe_stdout
    from flam.hub.hub import resolve
    from flam.hub.registry import DEFAULT_MODEL
    from flam.jobs.analysis import write_tags
    from flam.jobs.inputs import find_sources
    from flam.jobs.outputs import require_apart, require_parent

    if not 1 <= top <= MOST_TAGS:
        raise ConfigError(f"--top {top} must be from 1 to {MOST_TAGS}")
    if not 0 <= threshold <= 1:
        raise ConfigError(f"--threshold {threshold} must be from 0 to 1")
    if not recordings or not all(recordings):
        raise ConfigError("no recordings: name files or folders, for example flam tag library/")
    words = collect_prompts(prompt, prompts if prompt or prompts else Path(EVERYDAY)).names
    reporter = Reporter(quiet)
    if output is not None:
        if output.suffix.lower() != ".csv":
            raise ConfigError(f"{output}: tags are written as .csv; name it so")
        require_parent(output)
    sources = [source.path for source in find_sources(recordings, reporter.error)]
    require_apart([] if output is None else [output], sources)
    if not sources:
        return 1
    detector = flam.load(resolve(model or DEFAULT_MODEL, notify=reporter.say), device=device)
    found: list[Tags] = []
    with output_lock(output) if output is not None else nullcontext():
        was_interrupted = _tag_all(detector, sources, words, top, threshold, beside, reporter, found)
        if output is not None:
            with atomic_text(output) as file:
                write_tags(found, file, top)
        else:
            write_tags(found, safe_stdout(), top)
    where = "" if output is None else f" -> {output}"
    stopped = "interrupted: " if was_interrupted else ""
    reporter.say(f"{stopped}{len(found)} of {len(sources)} recordings tagged{where}")
    return 130 if was_interrupted else 1 if reporter.n_problems else 0


def _tag_all(
    detector: Detector,
    sources: list[Path],
    words: tuple[str, ...],
    top: int,
    threshold: float,
    beside: bool,
    reporter: Reporter,
    found: list[Tags],
) -> bool:
    """Tag one recording after the other; a bad one is reported and skipped. Returns whether Ctrl-C ended it."""
    from flam.core import FlamError, OutputError
    from flam.jobs.analysis import tag_recording, write_tags_beside

    try:
        for number, path in enumerate(sources, start=1):
            try:
                with (
                    reporter.warnings() as problems,
                    reporter.recording(str(path), number, len(sources)) as progress,
                ):
                    found.append(tag_recording(detector, path, words, top, threshold, progress))
                    if beside:
                        write_tags_beside(found[-1], path, top)
            except OutputError:
                raise
            except FlamError as error:
                reporter.error(str(error))
                continue
            for problem in problems:
                reporter.warning(problem)
    except KeyboardInterrupt:
        return True
    return False
