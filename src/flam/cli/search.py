"""``flam search``: find sounds in archives by words and examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from flam.cli.detect_options import Events, Find
from flam.cli.search_options import Answers, Keep, Together, choose_filters

if TYPE_CHECKING:
    from flam.core.progress import Reporter
    from flam.detection.prompt_file import PromptList
    from flam.search import Archive, Query, Span

FLAT = Parameter(name="*")
THEN_WITHIN_S = 5.0


def search(
    *archives: Annotated[Path, Parameter(help="Archives that flam index build made.")],
    find: Annotated[Find, FLAT] = Find(),  # noqa: B008 - frozen
    together: Annotated[Together, FLAT] = Together(),  # noqa: B008
    keep: Annotated[Keep, FLAT] = Keep(),  # noqa: B008
    events: Annotated[Events, FLAT] = Events(),  # noqa: B008
    answers: Annotated[Answers, FLAT] = Answers(),  # noqa: B008
    clips: Annotated[
        bool, Parameter(negative="", help="Rank whole files, for folders of short clips, instead of finding spans.")
    ] = False,
    duplicates: Annotated[
        float | None, Parameter(help="With --clips: list pairs of files whose cosine is at least this, such as 0.98.")
    ] = None,
) -> int:
    """Find sounds in archives: the best spans first, with their times.

    For example: flam search archive/ -p "glass breaking" --sheet hits.png
    """
    from flam.cli.clip_search import search_clips
    from flam.cli.search_answers import choose_answers, write_answers
    from flam.core.progress import Reporter
    from flam.search.archive import ranked

    output, reporter = choose_answers(answers), Reporter(answers.quiet)
    require_fitting(together)
    opened = open_archives(archives)
    if clips or duplicates is not None:
        return search_clips(opened, find, together, keep, answers, duplicates, reporter)
    spans = ranked(find_spans(opened, find, together, keep, events, reporter))
    if not any(archive.recordings for archive in opened):
        reporter.say("no recordings yet: flam index build FOLDER -o ARCHIVE adds them")
    elif not spans:
        reporter.say("nothing reaches the threshold; a lower --threshold finds more, see flam search --help")
    chosen = spans if answers.top is None else spans[: answers.top]
    return write_answers(opened, chosen, answers, output, reporter)


def require_fitting(together: Together) -> None:
    """Refuse options that say nothing together.

    Raises
    ------
    ConfigError
        One that would be ignored.
    """
    from flam.core import ConfigError

    if together.all_ and together.any_:
        raise ConfigError("--all and --any ask for different things; give one of them")
    if together.within is not None and not together.all_ and together.then is None:
        raise ConfigError(f"--within {together.within} says how far apart sounds of --all or --then may be; give one")


def open_archives(paths: tuple[Path, ...]) -> list[Archive]:
    """Open archives that one query can go to.

    Raises
    ------
    ConfigError
        No archive, or archives of several models.
    """
    from flam.core import ConfigError
    from flam.search import Archive

    if not paths:
        raise ConfigError("no archive: name one that flam index build made, for example flam search archive/ -p siren")
    archives = [Archive(path) for path in paths]
    for archive in archives[1:]:
        if archive.settings.model_id != archives[0].settings.model_id:
            raise ConfigError(
                f"{archive.path} was made with {archive.settings.model}, {archives[0].path} with "
                f"{archives[0].settings.model}; search them one at a time"
            )
    return archives


def find_spans(
    archives: list[Archive], find: Find, together: Together, keep: Keep, events: Events, reporter: Reporter
) -> list[Span]:
    """The spans of a command, of prompts and examples, combined as it asks for."""
    from flam.search.combine import all_of, any_of, followed_by

    queries, silence_db = choose_queries(archives[0], find, together, events)
    labels = [query.label for query in queries if query.label != together.then]
    filters = choose_filters(keep)
    found: list[Span] = []
    for archive in archives:
        if filters.needs_clock:
            n_unknown = sum(recording.start_time is None for recording in archive.recordings)
            if n_unknown:
                reporter.say(f"{archive.path}: {n_unknown} recordings skipped, their start time is unknown")
        found += archive.spans(queries, silence_db, filters)
    if together.all_:
        first = all_of(found, labels, _seconds(together.within, 0.0))
        found = first if together.then is None else [*first, *(s for s in found if s.event.prompt == together.then)]
    elif together.any_:
        first = any_of([span for span in found if span.event.prompt in labels], labels)
        found = first if together.then is None else [*first, *(s for s in found if s.event.prompt == together.then)]
    if together.then is not None:
        found = followed_by(found, together.then, _seconds(together.within, THEN_WITHIN_S))
    return found


def choose_queries(archive: Archive, find: Find, together: Together, events: Events) -> tuple[list[Query], float]:
    """Queries of a command and the level of silence.

    Raises
    ------
    ConfigError
        Nothing to find, or an option out of range.
    """
    from flam.cli.detect import choose_thresholds
    from flam.cli.prompts import stripped
    from flam.core import ConfigError
    from flam.detection.prompt_file import PromptList, merged
    from flam.search.examples import Example, example_query

    prompts = choose_prompts(find, needed=not together.like)
    overrides, prompts = choose_thresholds(events, prompts)
    config = prompts.configure(archive.detection_config(**overrides))
    suppress = stripped(find.suppress)
    then = () if together.then is None else _of(together.then).prompts
    if together.like:
        if len(prompts.prompts) > 1 or together.all_ or together.any_:
            raise ConfigError("--like goes with one -p at most, which describes the same sound; ask once for each")
        words = archive.detector.embed_text(list(prompts.names)) if prompts.prompts else None
        queries = [example_query(archive, Example.parse(text), config, words, suppress) for text in together.like]
        prompts = PromptList(then)
    else:
        queries = []
        prompts = merged(prompts, [entry for entry in then if entry.prompt not in prompts.names])
    return [*queries, *archive.queries(prompts, suppress, config)], config.silence_db


def choose_prompts(find: Find, needed: bool = True) -> PromptList:
    """The prompts of a command and of its prompts file, with what the file says of them.

    Raises
    ------
    ConfigError
        No prompt at all, or a file that can't be read.
    """
    from flam.cli.prompts import EVERYDAY, collect_prompts
    from flam.core import ConfigError
    from flam.detection.kinds import everyday_prompts
    from flam.detection.prompt_file import PromptList, merged, read_prompt_file

    if find.settings is not None:
        raise ConfigError("--settings is of flam detect; give prompts with -p or --prompts")
    listed = PromptList(())
    if find.prompts is not None:
        is_everyday = str(find.prompts) == EVERYDAY and not find.prompts.exists()
        listed = PromptList.of(everyday_prompts()) if is_everyday else read_prompt_file(find.prompts)
    known = set(listed.names)
    if find.prompt or (needed and not listed.prompts):
        asked = collect_prompts(find.prompt, None, find.suppress).names
        listed = merged(listed, _of(*(prompt for prompt in asked if prompt not in known)).prompts)
    return listed


def _of(*prompts: str) -> PromptList:
    from flam.detection.prompt_file import PromptList

    return PromptList.of(prompts)


def _seconds(text: str | None, default_s: float) -> float:
    """``5``, ``5s`` or ``5 s``."""
    from flam.core import ConfigError

    if text is None:
        return default_s
    try:
        seconds = float(text.strip().removesuffix("s"))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ConfigError(f"--within {text!r} is no number of seconds; write for example 5s")
    return seconds
