"""``flam library``: measure the clips of folders into one table, caption them, and say what a table holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from flam.core.progress import Reporter
    from flam.library.clip_table import SourceLibrary
    from flam.scenes.captions.clips import CaptionCounts
    from flam.scenes.captions.endpoint import EndpointConfig

MOST_LINES = 20

app = App(
    name="library",
    help="Build a table of the clips that scenes are drawn from, and caption them.",
    help_epilogue="For example:\n\n    flam library scan sounds/ -o library.csv\n\n    flam library show library.csv\n",
)

Table = Annotated[Path, Parameter(help="A library table, .csv or .parquet.")]
Output = Annotated[Path, Parameter(name=["--output", "-o"], help="Table to write, .csv or .parquet.")]
Quiet = Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress on stderr.")]


@app.command
def scan(
    *inputs: Annotated[Path, Parameter(help="Folders, audio files, or manifests (.csv).")],
    output: Output,
    config: Annotated[
        Path | None, Parameter(help="YAML of flam.library.gather.LibraryConfig; the options below take precedence.")
    ] = None,
    label_from: Annotated[
        Literal["none", "folder", "name"] | None,
        Parameter(help="Source of a clip's label: nothing, its folder, or its file name."),
    ] = None,
    group_from: Annotated[
        Literal["folder", "name", "file"] | None,
        Parameter(help="Clips that stay together in a split share a folder, a name apart from its number, or nothing."),
    ] = None,
    source: Annotated[str | None, Parameter(help="Source of clips without one of their own.")] = None,
    licence: Annotated[str | None, Parameter(help="Licence of clips without one of their own.")] = None,
    workers: Annotated[
        int | None, Parameter(help="Processes; default: one per processor; 0 works in this process.")
    ] = None,
    quiet: Quiet = False,
) -> int:
    """Measure clips into one table; running it again resumes, and measures only new or changed files.

    For example: flam library scan sounds/ --label-from folder -o library.csv
    """
    from flam.cli.main import FINE, SOME_FAILED
    from flam.core import ConfigError, load_yaml, save_yaml
    from flam.core.processes import n_processors
    from flam.core.progress import Reporter
    from flam.library.gather import LibraryConfig
    from flam.library.scan import scan_library

    if not inputs:
        raise ConfigError("nothing to scan; name folders, audio files or manifests")
    if workers is not None and workers < 0:
        raise ConfigError(f"--workers {workers} must be 0 or more")
    reporter = Reporter(quiet)
    settings = LibraryConfig() if config is None else load_yaml(LibraryConfig, config)
    options: dict[str, Any] = {
        "label_from": label_from,
        "group_from": group_from,
        "source": source,
        "licence": licence,
    }
    settings = replace(settings, **{name: value for name, value in options.items() if value is not None})
    with reporter.recording("clips measured", 1, 1) as progress:
        library = scan_library(
            inputs, output, settings, n_processors() if workers is None else workers, progress, reporter.warning
        )
    save_yaml(settings, Path(f"{output}.settings.yaml"))
    n_unusable = _tell_unusable(library, reporter, output)
    n_other = sum(row.clip.kind == "other" for row in library.rows)
    if n_other:
        reporter.say(
            f"note: {n_other} clips are of kind other, which no scene draws: neither said to be background nor shorter "
            f"than {settings.event_below_s:g} s; say their kind in a manifest, or more in --config"
        )
    reporter.say(f"{len(library.clips)} of {len(library.rows)} clips can be drawn: {output}")
    return SOME_FAILED if n_unusable or reporter.n_problems else FINE


@app.command
def caption(
    table: Table,
    /,
    *,
    output: Output,
    endpoint: Annotated[
        str | None, Parameter(help="OpenAI-compatible address, as http://localhost:11434/v1; default: by rule only.")
    ] = None,
    model: Annotated[str | None, Parameter(help="Name of the model at the endpoint.")] = None,
    config: Annotated[
        Path | None, Parameter(help="YAML of flam.scenes.captions.endpoint.EndpointConfig, in place of the two above.")
    ] = None,
    memory: Annotated[Path | None, Parameter(help="File that keeps answers; default: OUTPUT.answers.sqlite.")] = None,
    replace_given: Annotated[
        bool, Parameter(negative="", help="Write captions also for clips that came with one.")
    ] = False,
    quiet: Quiet = False,
) -> int:
    """Caption the clips of a table; answers are kept, so that a resumed run asks only for what is missing.

    For example: flam library caption library.csv -o captioned.csv
    """
    from flam.cli.main import FINE, SOME_FAILED
    from flam.core import output_lock
    from flam.core.progress import Reporter
    from flam.jobs.outputs import require_parent
    from flam.library.clip_table import read_library, require_table_name, write_library
    from flam.scenes.captions.answers import AnswerMemory
    from flam.scenes.captions.clips import caption_library
    from flam.scenes.captions.endpoint import ChatEndpoint

    reporter = Reporter(quiet)
    require_table_name(output)
    library = read_library(table)
    settings = _endpoint_config(endpoint, model, config)
    require_parent(output)
    with output_lock(output):
        if settings is None:
            captioned, counts = caption_library(library, replace_given=replace_given)
        else:
            with (
                AnswerMemory(Path(f"{output}.answers.sqlite") if memory is None else memory) as kept,
                reporter.recording("questions answered", 1, 1) as progress,
            ):
                captioned, counts = caption_library(library, ChatEndpoint(settings), kept, replace_given, progress)
        write_library(captioned, output)
    _tell_captions(counts, reporter)
    return SOME_FAILED if counts.questions.unusable or counts.questions.unanswered else FINE


@app.command
def show(table: Table, /) -> None:
    """Describe a table: roles, hours, levels, bandwidths, licences, and unusable clips.

    For example: flam library show library.csv
    """
    from flam.cli.library_summary import summary
    from flam.core.terminal import print_safely
    from flam.library.clip_table import read_library

    print_safely(*summary(read_library(table)))


def _endpoint_config(endpoint: str | None, model: str | None, config: Path | None) -> EndpointConfig | None:
    from flam.core import ConfigError, from_mapping, load_yaml
    from flam.scenes.captions.endpoint import EndpointConfig

    if config is not None:
        if endpoint is not None or model is not None:
            raise ConfigError("--config holds endpoint and model; leave out --endpoint and --model, or --config")
        return load_yaml(EndpointConfig, config)
    if (endpoint is None) != (model is None):
        raise ConfigError("--endpoint and --model belong together; give both, or neither for captions by rule")
    return None if endpoint is None else from_mapping(EndpointConfig, {"url": endpoint, "model": model}, "endpoint")


def _tell_unusable(library: SourceLibrary, reporter: Reporter, table: Path) -> int:
    from flam.library.measure import USABLE

    unusable = [row for row in library.rows if row.status not in USABLE]
    for row in unusable[:MOST_LINES]:
        reporter.error(f"{row.clip.path}: {row.status}, {row.remark}")
    if len(unusable) > MOST_LINES:
        reporter.say(f"and {len(unusable) - MOST_LINES} more; see the columns status and remark of {table}")
    return len(unusable)


def _tell_captions(counts: CaptionCounts, reporter: Reporter) -> None:
    questions = counts.questions
    reporter.say(
        f"captions: {counts.given} given, {counts.model} by the model, {counts.rule} by rule, {counts.none} clips of "
        "which nothing is known"
    )
    asked = questions.remembered + questions.answered + questions.unusable + questions.unanswered
    if asked:
        reporter.say(
            f"questions: {questions.answered} answered, {questions.remembered} from memory, {questions.unusable} "
            f"without a usable answer, {questions.unanswered} without any"
        )
    for reason, count in questions.reasons.most_common(MOST_LINES):
        reporter.warning(f"{count} x {reason}")
