"""``flam bulk``: embed or analyse recordings in any store, on one machine or on a Ray cluster."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from flam.cli.detect_options import Events, Find, RunningMany

if TYPE_CHECKING:
    from flam.core.progress import Reporter
    from flam.search.bulk import Work

app = App(name="bulk", help="Embed or analyse recordings in any store, on one machine or on a Ray cluster.")
FLAT = Parameter(name="*")


@dataclass(frozen=True)
class Store:
    """Where recordings and results lie, and who works on them."""

    input: Annotated[
        tuple[str, ...], Parameter(help="Folders or URLs such as s3://bucket/folder; once for each.", negative="")
    ]
    output: Annotated[str, Parameter(name=["--output", "-o"], help="Folder or URL of the results.")]
    ray: Annotated[
        str | None, Parameter(help="Address of a Ray cluster, or local; default: processes of this machine.")
    ] = None
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress.")] = False


@app.command
def embed(
    *,
    store: Annotated[Store, FLAT],
    model: Annotated[str, Parameter(help="Name or folder of the model.")] = "flam-mini",
    form: Annotated[Literal["exact", "compact", "tiny"], Parameter(help="How frames are stored.")] = "exact",
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"],
        Parameter(help="Where to compute; with --ray, auto is cpu, and cuda gives every actor a GPU."),
    ] = "auto",
    time_zone: Annotated[str | None, Parameter(help="Of recorders that state none: Europe/Berlin, UTC or +02:00.")] = (
        None
    ),
    jobs: Annotated[int | None, Parameter(help="Processes or actors; default: one per processor or GPU.")] = None,
) -> int:
    """Embed recordings into the segments of an archive; running it again resumes.

    For example: flam bulk embed --input s3://bucket/recordings -o s3://bucket/archive --ray auto
    """
    import fsspec

    import flam
    from flam.audio.start_time import parse_time_zone
    from flam.core import to_mapping
    from flam.core.files import output_lock
    from flam.core.progress import Reporter
    from flam.hub.hub import resolve
    from flam.search.bulk import EmbedWork, not_embedded, settle_axes
    from flam.search.catalogue import ArchiveSettings
    from flam.search.codec import Codec
    from flam.search.encode import Encoder
    from flam.search.layout import ArchiveFolder, model_axes, model_id
    from flam.search.maintain import adopt_segments
    from flam.search.stores import find_urls, is_local

    reporter = Reporter(store.quiet)
    urls = find_urls(store.input)
    folder = resolve(model, notify=reporter.say)
    device_of_each, here = _devices(store, device)
    detector = flam.load(folder, device=here)
    kept = str(folder.resolve()) if Path(model).is_dir() else model
    settings = ArchiveSettings(
        kept, model_id(folder), detector.grid.sample_rate, detector.grid.hop_samples, form, detector.config.overlap
    )
    target, root = fsspec.core.url_to_fs(store.output)
    archive = ArchiveFolder(Path(root)) if is_local(target) else None
    axes = settle_axes(store.output, settings, model_axes(folder), detector, urls)
    if archive is not None:
        adopt_segments(archive)  # of a run that was stopped
        n_urls, urls = len(urls), not_embedded(urls, archive)
        if len(urls) < n_urls:
            reporter.say(f"{n_urls - len(urls)} recordings are in the archive already")
    encoder = Encoder(
        str(folder),
        settings.model_id,
        device_of_each,
        "auto",
        settings.overlap,
        Codec(axes, form),
        Path(),
        None if time_zone is None else parse_time_zone(time_zone),
        n_threads=1,
    )
    with nullcontext() if archive is None else output_lock(archive.path):
        code = _run(urls, EmbedWork(encoder, store.output, to_mapping(settings)), store, jobs, device_of_each, reporter)
    if archive is None:
        reporter.say("copy the folder to a disk and run flam index verify FOLDER --repair to make its catalogue")
    else:
        adopt_segments(archive)
    return code


@app.command
def detect(
    *,
    store: Annotated[Store, FLAT],
    find: Annotated[Find, FLAT] = Find(),  # noqa: B008 - frozen
    events: Annotated[Events, FLAT] = Events(),  # noqa: B008
    running: Annotated[RunningMany, FLAT] = RunningMany(),  # noqa: B008
    format: Annotated[Literal["csv", "json", "jsonl", "audacity", "raven"], Parameter(help="Of the results.")] = "csv",
) -> int:
    """Find sounds in recordings, one file of events for each; running it again resumes.

    For example: flam bulk detect --input s3://bucket/recordings -o s3://bucket/events -p siren
    """
    from dataclasses import replace

    from flam.annotations import FORMATS
    from flam.cli.detect import choose_settings, load_detector
    from flam.core.progress import Reporter
    from flam.search.bulk import DetectWork
    from flam.search.stores import find_urls

    reporter = Reporter(store.quiet)
    settings = replace(choose_settings(store.input, find, events, running), format=format)
    device, here = _devices(store, settings.device)
    settings, _ = load_detector(replace(settings, device=here), reporter)
    settings = replace(settings, device=device)
    root = store.input[0] if len(store.input) == 1 else os.path.dirname(os.path.commonprefix(store.input))  # noqa: RUF071
    work = DetectWork(settings, root, store.output, FORMATS[format].suffix, n_threads=1)
    return _run(find_urls(store.input), work, store, running.jobs, settings.device, reporter)


def _devices(store: Store, device: str) -> tuple[str, str]:
    """Where recordings are computed, and where this process does what comes before.

    Actors of a cluster share GPUs only where each is given one, and the machine that hands out the work needs none.
    """
    if store.ray is None:
        return device, device
    return "cpu" if device == "auto" else device, "cpu"


def _run(urls: list[str], work: Work, store: Store, jobs: int | None, device: str, reporter: Reporter) -> int:
    from flam.cli.main import FINE, INTERRUPTED, SOME_FAILED
    from flam.core import ConfigError
    from flam.core.processor import available_cores
    from flam.search.bulk import run_on_ray, run_work

    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs {jobs} must be at least 1; leave it out to have it chosen")
    if store.ray is None:
        outcomes = run_work(urls, work, available_cores() if jobs is None else jobs)
    else:
        outcomes = run_on_ray(urls, work, store.ray, jobs, use_gpu=device == "cuda")
    n_done = n_earlier = 0
    try:
        with reporter.counting("recordings", len(urls)) as show:
            for outcome in outcomes:
                if outcome.error:
                    reporter.error(outcome.error)
                else:
                    n_done += 1
                    n_earlier += outcome.was_done
                show(n_done, len(urls))
    except KeyboardInterrupt:
        reporter.say(f"interrupted: {n_done} of {len(urls)} recordings are done; run the same command again to go on")
        return INTERRUPTED
    earlier = f" ({n_earlier} of them earlier)" if n_earlier else ""
    reporter.say(f"{n_done} recordings done{earlier}: {store.output}")
    return SOME_FAILED if reporter.n_problems else FINE
