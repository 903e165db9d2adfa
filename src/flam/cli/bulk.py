"""``flam bulk``: embed or analyse recordings in any store, on one machine or on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from flam.cli.detect_options import Events, Find, Running

if TYPE_CHECKING:
    from flam.core.progress import Reporter
    from flam.search.bulk import Work

app = App(name="bulk", help="Embed or analyse recordings in any store, on one machine or on a Ray cluster.")
FLAT = Parameter(name="*")


@dataclass(frozen=True)
class Store:
    """Where recordings and results lie."""

    input: Annotated[
        tuple[str, ...], Parameter(help="Folders or URLs such as s3://bucket/folder; once for each.", negative="")
    ]
    output: Annotated[str, Parameter(name=["--output", "-o"], help="Folder or URL of the results.")]
    ray: Annotated[
        str | None, Parameter(help="Address of a Ray cluster, or local; left out, processes of this machine.")
    ] = None
    workers: Annotated[int | None, Parameter(help="Processes or actors; left out, one per processor.")] = None
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress.")] = False


@app.command
def embed(
    *,
    store: Annotated[Store, FLAT],
    model: Annotated[str, Parameter(help="Name or folder of the model.")] = "flam-mini",
    form: Annotated[Literal["exact", "compact", "tiny"], Parameter(help="How frames are stored.")] = "exact",
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], Parameter(help="Where to compute.")] = "auto",
) -> int:
    """Embed recordings into the segments of an archive; run again, it goes on."""
    import fsspec

    import flam
    from flam.core import FlamError, to_mapping
    from flam.core.files import output_lock
    from flam.core.progress import Reporter
    from flam.hub.hub import resolve
    from flam.search.axes import FILE_NAME
    from flam.search.bulk import EmbedWork, find_urls
    from flam.search.catalogue import ArchiveSettings
    from flam.search.codec import Codec
    from flam.search.encode import Encoder
    from flam.search.layout import ArchiveFolder, model_axes, model_id
    from flam.search.maintain import adopt_segments

    reporter = Reporter(store.quiet)
    urls = find_urls(store.input)
    folder = resolve(model, notify=reporter.say)
    axes = model_axes(folder)
    if axes is None:
        raise FlamError(f"{model}: ships no search axes; fit them once with flam index axes {model}")
    detector = flam.load(folder, device=device)
    settings = ArchiveSettings(
        model, model_id(folder), detector.grid.sample_rate, detector.grid.hop_samples, form, detector.config.overlap
    )
    encoder = Encoder(str(folder), settings.model_id, device, "auto", settings.overlap, Codec(axes, form), Path(), None)
    target, root = fsspec.core.url_to_fs(store.output)
    target.makedirs(root, exist_ok=True)
    is_local = isinstance(target, fsspec.implementations.local.LocalFileSystem)
    archive = ArchiveFolder(Path(root))
    if is_local and not archive.exists():
        archive.create(settings, axes)
    elif not is_local and not target.exists(f"{root}/{FILE_NAME}"):
        target.put_file(str(folder / FILE_NAME), f"{root}/{FILE_NAME}")
    with output_lock(archive.path) if is_local else nullcontext():
        code = _run(urls, EmbedWork(encoder, store.output, to_mapping(settings)), store, reporter)
    if is_local:
        adopt_segments(archive)
    else:
        reporter.say("copy the folder to a disk and run flam index verify FOLDER --repair to make its catalogue")
    return code


@app.command
def detect(
    *,
    store: Annotated[Store, FLAT],
    find: Annotated[Find, FLAT] = Find(),  # noqa: B008 - frozen
    events: Annotated[Events, FLAT] = Events(),  # noqa: B008
    running: Annotated[Running, FLAT] = Running(),  # noqa: B008
    format: Annotated[Literal["csv", "json", "jsonl", "audacity", "raven"], Parameter(help="Of the results.")] = "csv",
) -> int:
    """Find sounds in recordings, a file of events for each; run again, it goes on."""
    from dataclasses import replace

    from flam.annotations import FORMATS
    from flam.cli.detect import choose_settings, load_detector
    from flam.core.progress import Reporter
    from flam.search.bulk import DetectWork, find_urls

    reporter = Reporter(store.quiet)
    settings = replace(choose_settings(store.input, find, events, running), format=format)
    settings, _ = load_detector(settings, reporter)
    root = store.input[0] if len(store.input) == 1 else os.path.dirname(os.path.commonprefix(store.input))  # noqa: RUF071
    return _run(
        find_urls(store.input), DetectWork(settings, root, store.output, FORMATS[format].suffix), store, reporter
    )


def _run(urls: list[str], work: Work, store: Store, reporter: Reporter) -> int:
    from flam.cli.main import FINE, INTERRUPTED, SOME_FAILED
    from flam.core.processes import n_processors
    from flam.search.bulk import Outcome, run_work

    workers = n_processors() if store.workers is None else store.workers
    outcomes: Iterable[Outcome] = run_work(urls, work, 0 if workers == 1 and store.ray is None else workers, store.ray)
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
