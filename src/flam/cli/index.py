"""``flam index``: make an archive of recordings to search in, and keep it in order."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from flam.core.progress import Progress, Reporter
    from flam.search.build import BuildTotals
    from flam.search.encode import Encoder
    from flam.search.layout import ArchiveFolder

WATCH_S = 10.0

app = App(name="index", help="Build and maintain an archive of recordings for searching.")

ArchivePath = Annotated[Path, Parameter(help="Folder of the archive.")]
Output = Annotated[Path, Parameter(name=["--output", "-o"], help="Folder of the archive.")]
Quiet = Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress.")]
FormName = Literal["exact", "compact", "tiny"]  # flam.search.codec.FORMS, written out so that help imports no numpy


@dataclass(frozen=True)
class BuildOptions:
    """How an archive is made; model, form and overlap are settled when it is new."""

    model: Annotated[str | None, Parameter(help="Name or folder of the model; flam-mini, or the archive's.")] = None
    form: Annotated[
        FormName | None,
        Parameter(help="How frames are stored: exact, or compact or tiny, which lose a little; exact."),
    ] = None
    jobs: Annotated[
        int | None, Parameter(help="Processes; default: one for few recordings, one per core for many.")
    ] = None
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], Parameter(help="Where to compute.")] = "auto"
    time_zone: Annotated[str | None, Parameter(help="Of recorders that state none: Europe/Berlin, UTC or +02:00.")] = (
        None
    )


@app.command
def build(
    *folders: Annotated[Path, Parameter(help="Folders of recordings, and files.")],
    output: Output,
    options: Annotated[BuildOptions, Parameter(name="*")] = BuildOptions(),
    watch: Annotated[
        bool, Parameter(negative="", help="Keep running and add new recordings as they arrive; Ctrl-C ends it.")
    ] = False,
    quiet: Quiet = False,
) -> int:
    """Add recordings to an archive; new and changed ones are encoded, moved and deleted ones are noted.

    Running it again after a stop resumes. For example: flam index build recordings/ -o archive/
    """
    from flam.cli.main import FINE, INTERRUPTED, SOME_FAILED
    from flam.core import ConfigError
    from flam.core.progress import Reporter
    from flam.search.build import BuildReport, build_archive
    from flam.search.layout import ArchiveFolder

    if not folders:
        raise ConfigError("no folders: name folders of recordings, for example flam index build recordings/ -o archive")
    if options.jobs is not None and options.jobs < 1:
        raise ConfigError(f"--jobs {options.jobs} must be at least 1; leave it out to have it chosen")
    reporter = Reporter(quiet)
    archive = ArchiveFolder(output)
    encoder = _encoder(archive, folders, options, reporter)
    # several processes would share one accelerator
    jobs = 1 if options.jobs is None and options.device in ("cuda", "mps") else options.jobs
    skip = _Later() if watch else (lambda path: False)
    while True:
        with ExitStack() as stack:
            report = BuildReport(reporter.error, reporter.warning, _progress(reporter, stack))
            totals = build_archive(archive, folders, encoder, jobs, report, skip)
        if not watch or totals.was_interrupted:
            break
        if totals.n_encoded or totals.n_gone or totals.n_touched:
            _say_totals(totals, output, reporter)
        try:
            time.sleep(WATCH_S)
        except KeyboardInterrupt:
            reporter.say("watching ended; run the same command again to go on")
            return INTERRUPTED
    _say_totals(totals, output, reporter)
    if totals.was_interrupted:
        reporter.say("interrupted: what is done is kept, run the same command again to go on")
        return INTERRUPTED
    return SOME_FAILED if reporter.n_problems else FINE


@app.command
def info(archive: ArchivePath) -> None:
    """Describe an archive.

    For example: flam index info archive/
    """
    from flam.annotations.table import clock
    from flam.core.terminal import print_safely
    from flam.search import Archive
    from flam.search.filters import recording_start

    opened = Archive(archive)
    settings, recordings = opened.settings, opened.recordings
    n_bytes = sum(segment.n_bytes for segment, _ in opened.segments)
    n_frames = sum(segment.header.n_frames for segment, _ in opened.segments)
    unused = n_frames - sum(recording.n_frames for recording in recordings)
    hours = opened.duration_s / 3600
    starts = sorted(began.replace(tzinfo=None) for row in recordings if (began := recording_start(row)) is not None)
    lines = {
        "recordings": f"{len(recordings)}, {clock(opened.duration_s)}",
        "model": f"{settings.model} ({settings.model_id})",
        "form": f"{settings.form}, {n_bytes / 1e6:.1f} MB"
        + (f", {n_bytes / 1e6 / hours:.1f} MB an hour" if hours else ""),
        "segments": f"{len(opened.segments)}" + (f", {unused} of {n_frames} frames unused" if unused else ""),
        "recorded": f"{starts[0]} to {starts[-1]}, {len(starts)} with a time" if starts else "no recording says when",
    }
    partly = sum(bool(recording.problems) for recording in recordings)
    if partly:
        lines["read in part"] = f"{partly} recordings"
    print_safely(*(f"{name:13} {value}" for name, value in lines.items()))


@app.command
def verify(
    archive: ArchivePath,
    *,
    repair: Annotated[bool, Parameter(negative="", help="Remove damaged segments; rebuild a lost catalogue.")] = False,
    quiet: Quiet = False,
) -> int:
    """Compare every file of an archive with its checksum.

    For example: flam index verify archive/ --repair
    """
    from flam.cli.main import FINE, SOME_FAILED
    from flam.core.progress import Reporter
    from flam.search.layout import ArchiveFolder
    from flam.search.maintain import check_archive, repair_archive

    reporter = Reporter(quiet)
    folder = ArchiveFolder(archive)
    if repair:
        repaired = repair_archive(folder)
        problems = repaired.problems
        if repaired.made_catalogue:
            reporter.say(f"{archive}: its catalogue is made again; flam index build notes what moved or went since")
    else:
        problems = list(check_archive(folder))
    for problem in problems:
        reporter.error(f"segment {problem.segment}: {problem.reason}; {problem.n_recordings} recordings")
    if not problems:
        if not quiet:
            reporter.say(f"{archive}: every file is as it was written")
        return FINE
    if repair:
        reporter.say(f"{archive}: damaged segments are taken out; flam index build adds their recordings again")
    return SOME_FAILED


@app.command
def compact(archive: ArchivePath, *, quiet: Quiet = False) -> None:
    """Join small segments, and drop the frames of changed and deleted recordings.

    For example: flam index compact archive/
    """
    from flam.core.progress import Reporter
    from flam.search.layout import ArchiveFolder
    from flam.search.maintain import compact_archive

    reporter = Reporter(quiet)
    with ExitStack() as stack:
        done = compact_archive(ArchiveFolder(archive), _progress(reporter, stack, "frames"))
    reporter.say(
        f"{done.n_before} segments became {done.n_after}, {done.bytes_before / 1e6:.1f} MB became "
        f"{done.bytes_after / 1e6:.1f} MB"
    )


@app.command
def export(
    archive: ArchivePath,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="Folder of the tables.")],
    quiet: Quiet = False,
) -> None:
    """Write an archive as Parquet: recordings.parquet and frames.parquet.

    For example: flam index export archive/ -o tables/
    """
    from flam.core.progress import Reporter
    from flam.search import Archive
    from flam.search.parquet import export_archive

    reporter = Reporter(quiet)
    opened = Archive(archive)
    with reporter.counting("frames", sum(row.n_frames for row in opened.recordings)) as show:
        export_archive(opened, output, show)
    reporter.say(f"{len(opened.recordings)} recordings: {output}")


@app.command(name="import")
def import_(
    folder: Annotated[Path, Parameter(help="Folder that flam index export wrote.")],
    *,
    output: Output,
    form: Annotated[FormName, Parameter(help="How frames are stored.")] = "exact",
    quiet: Quiet = False,
) -> None:
    """Build an archive from Parquet tables.

    For example: flam index import tables/ -o archive/
    """
    from flam.core.progress import Reporter
    from flam.search.layout import ArchiveFolder
    from flam.search.parquet import import_archive

    reporter = Reporter(quiet)
    n_recordings = import_archive(folder, ArchiveFolder(output), form, lambda done, total: None)
    reporter.say(f"{n_recordings} recordings: {output}")


@app.command
def axes(
    model: Annotated[str, Parameter(help="Name or folder of the model.")],
    *folders: Annotated[Path, Parameter(help="Recordings of many kinds, half an hour or more.")],
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="File; default: search_axes.safetensors in the model.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Fit the axes that a model's frames are stored along, to ship them with it.

    Archives of a model that ships none fit their own on their first recordings.

    For example: flam index axes my-birds recordings/ -o axes.safetensors
    """
    import flam
    from flam.core.progress import Reporter
    from flam.hub.hub import resolve
    from flam.search.axes import FILE_NAME
    from flam.search.encode import fit_on_recordings, shuffled_recordings

    reporter = Reporter(quiet)
    folder = resolve(model, notify=reporter.say)
    path = folder / FILE_NAME if output is None else output
    fit_on_recordings(flam.load(folder), shuffled_recordings(folders)).save(path)
    reporter.say(f"axes: {path}")


def _encoder(archive: ArchiveFolder, folders: tuple[Path, ...], options: BuildOptions, reporter: Reporter) -> Encoder:
    """What encodes recordings for an archive, which is made where there is none."""
    import flam
    from flam.audio.start_time import parse_time_zone
    from flam.core import ConfigError
    from flam.hub.hub import resolve
    from flam.hub.registry import DEFAULT_MODEL
    from flam.search.catalogue import ArchiveSettings, Catalogue
    from flam.search.encode import Encoder, fit_on_recordings, shuffled_recordings
    from flam.search.layout import model_axes, model_id, require_model

    if archive.exists():
        with Catalogue.open(archive.catalogue_path) as catalogue:
            settings = catalogue.settings()
        if options.form not in (None, settings.form):
            raise ConfigError(
                f"{archive.path}: form is {settings.form}, not {options.form}; name a new folder for another"
            )
        name = settings.model if options.model is None else options.model
        folder = resolve(name, notify=reporter.say)
        require_model(folder, name, settings.model_id, archive.path)
        kept = _kept_name(folder, name)
        if options.model is not None and kept != settings.model:
            with Catalogue.open(archive.catalogue_path, write=True) as catalogue:
                catalogue.move_model(kept)
    else:
        name = DEFAULT_MODEL if options.model is None else options.model
        folder = resolve(name, notify=reporter.say)
        detector = flam.load(folder, device=options.device)
        axes = model_axes(folder)
        if axes is None:
            reporter.say(f"{name}: ships no search axes; they are fitted on the first recordings")
            axes = fit_on_recordings(detector, shuffled_recordings(folders))
        settings = ArchiveSettings(
            _kept_name(folder, name),
            model_id(folder),
            detector.grid.sample_rate,
            detector.grid.hop_samples,
            "exact" if options.form is None else options.form,
            detector.config.overlap,
        )
        archive.create(settings, axes)
    return Encoder(
        str(folder),
        settings.model_id,
        options.device,
        "auto",
        settings.overlap,
        archive.codec(settings),
        archive.incoming_path,
        None if options.time_zone is None else parse_time_zone(options.time_zone),
    )


def _kept_name(folder: Path, name: str) -> str:
    """What an archive calls its model: a folder of the user's own may not be found by its name from elsewhere."""
    return str(folder.resolve()) if Path(name).is_dir() else name


def _say_totals(totals: BuildTotals, output: Path, reporter: Reporter) -> None:
    parts = [f"{totals.n_encoded} recordings added"]
    for number, what in (
        (totals.n_unchanged, "unchanged"),
        (totals.n_touched, "moved or touched"),
        (totals.n_gone, "gone"),
        (totals.n_failed, "with problems"),
    ):
        if number:
            parts.append(f"{number} {what}")
    reporter.say(f"{', '.join(parts)}: {output}")


def _progress(reporter: Reporter, stack: ExitStack, name: str = "recordings") -> Progress:
    """Show how much is done, from the moment when it is known how much there is."""
    show: list[Progress] = []

    def told(done: int, total: int | None) -> None:
        if not show:
            show.append(stack.enter_context(reporter.counting(name, 0 if total is None else total)))
        show[0](done, total)

    return told


class _Later:
    """Whether a watching build leaves a file for later: one that is being written, or failed and is the same still."""

    def __init__(self) -> None:
        self._tried: dict[Path, int] = {}

    def __call__(self, path: Path) -> bool:
        try:
            changed_ns = path.stat().st_mtime_ns
        except OSError:
            return True
        if time.time() - changed_ns / 1e9 < WATCH_S or self._tried.get(path) == changed_ns:
            return True
        self._tried[path] = changed_ns
        return False
