"""``flam detect``: find sounds in recordings."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from flam.cli.detect_options import Events, Find, Results, Running, RunningMany

if TYPE_CHECKING:
    from flam.core.progress import Reporter
    from flam.detection import Detector
    from flam.detection.prompt_file import PromptList
    from flam.jobs.outputs import Output, Selection
    from flam.jobs.runner import Run
    from flam.jobs.settings import DetectSettings
    from flam.jobs.workers import WorkerPool

FLAT = Parameter(name="*")
PROMPTS_AT_ONCE = 256


def detect(
    *recordings: Annotated[str, Parameter(help="Files and folders, including subfolders.")],
    find: Annotated[Find, FLAT] = Find(),  # noqa: B008 - frozen
    results: Annotated[Results, FLAT] = Results(),  # noqa: B008
    events: Annotated[Events, FLAT] = Events(),  # noqa: B008
    running: Annotated[RunningMany, FLAT] = RunningMany(),  # noqa: B008
) -> int:
    """Find sounds in recordings: which ones, from when to when.

    For example: flam detect walk.wav -p "dog barking" -p siren
    """
    from flam.annotations import FORMATS
    from flam.core import ConfigError
    from flam.core.progress import Reporter
    from flam.jobs.analysis import Extras, written_name
    from flam.jobs.cutting import ClipCutter
    from flam.jobs.inputs import find_sources, name_results
    from flam.jobs.manifest import ResultsFolder
    from flam.jobs.outputs import choose_extras, choose_output, is_folder, require_apart
    from flam.jobs.runner import Run, run_job

    settings = choose_settings(recordings, find, events, running)
    if results.time_zone is not None:
        settings = replace(settings, time_zone=_checked_zone(results.time_zone))
    if results.plot is not None:
        _require_pictures(results.plot)
    reporter = Reporter(results.quiet)
    sources = find_sources(settings.recordings, reporter.error)
    output = choose_output(results.output, settings.format if results.format is None else results.format, len(sources))
    names = name_results(sources, lambda source, name: False)
    if output.kind == "folder" and output.path is not None:
        folder = ResultsFolder(output.path, FORMATS[output.format].suffix)
        names = name_results(sources, folder.is_taken)
        foreign = [folder.events_path(name) for name in names.values() if folder.is_foreign(name)]
        if foreign and not results.overwrite:
            raise ConfigError(
                f"{foreign[0]}: exists and is of no earlier run; give another folder, or --overwrite to replace it"
            )
    selection = choose_selection(results, output)
    plot = choose_extras("--plot", results.plot, ".png", list(names.values()))
    scores = choose_extras("--save-scores", results.save_scores, ".npz", list(names.values()))
    given = [path for path in (results.output, results.plot, results.save_scores) if path is not None]
    require_apart([Path(path) for path in given if not is_folder(path)], [source.path for source in sources])
    if not sources:
        return 1
    settings = replace(settings, format=output.format)
    settings, detector = load_detector(settings, reporter)
    cut = None
    if results.cut is not None:
        places = {written_name(source.path): (source.path, name) for source, name in names.items()}
        cut = ClipCutter(Path(results.cut), results.cut_padding_s, results.cut_format, places, reporter.warning)
    run = Run(detector, settings, names, lambda name: Extras(plot(name), scores(name)), reporter, selection, cut)
    run.pool = _worker_pool(settings, len(names))
    try:
        run_job(run, output, results.overwrite)
    finally:
        if run.pool is not None:
            run.pool.close()
    return conclude(run, output, reporter)


def choose_settings(recordings: tuple[str, ...], find: Find, events: Events, running: Running) -> DetectSettings:
    """What the user gave, over the settings of an earlier run, over the defaults.

    Raises
    ------
    ConfigError
        nothing to listen to or for, or a value that is out of range
    """
    import flam
    from flam.audio.downmix import parse_channel
    from flam.cli.prompts import collect_prompts, stripped
    from flam.core import ConfigError, from_mapping, load_yaml, to_mapping
    from flam.detection import DetectionConfig
    from flam.jobs.settings import DetectSettings

    earlier = DetectSettings((), ()) if find.settings is None else load_yaml(DetectSettings, find.settings)
    given = {key: value for key, value in asdict(running).items() if value is not None}
    given["recordings"] = recordings or earlier.recordings
    given["suppress"] = stripped(find.suppress) or earlier.suppress
    asked = find.prompt or (() if find.prompts is not None else earlier.prompts)
    prompts = collect_prompts(asked, find.prompts, given["suppress"])
    if not given["recordings"]:
        raise ConfigError("no recordings: name files or folders, for example flam detect walk.wav -p 'dog barking'")
    if not all(given["recordings"]):
        raise ConfigError("recording '' is an empty path; name a file or folder, or . for the one you are in")
    own, prompts = choose_thresholds(events, prompts)
    given["prompts"] = prompts.plain()
    given["detection"] = earlier.detection | own
    # the model's own operating point is not known yet, but what is out of range is so with any
    from_mapping(DetectionConfig, to_mapping(given["detection"]), "detection")
    settings = replace(earlier, version=flam.__version__, **given)
    if settings.track is not None and settings.track < 1:
        raise ConfigError(f"--track {settings.track} must be at least 1; leave it out to hear all tracks")
    parse_channel(settings.channel)
    return settings


def choose_thresholds(events: Events, prompts: PromptList) -> tuple[dict[str, Any], PromptList]:
    """Fields of ``DetectionConfig`` from the options, and the prompts with thresholds as the options want them.

    Raises
    ------
    ConfigError
        two of --threshold, --false-alarms and --precision-target, or one that can't be kept
    """
    from flam.cli.prompts import per_hour
    from flam.core import ConfigError

    own = {key: value for key, value in asdict(events).items() if value is not None}
    rate, precision = own.pop("false_alarms", None), own.pop("precision_target", None)
    if ("threshold" in own) + (rate is not None) + (precision is not None) > 1:
        raise ConfigError(
            "--threshold, --false-alarms and --precision-target each choose the threshold; give one of them"
        )
    if "threshold" in own:
        own["false_alarms_per_hour"] = None
        prompts = prompts.without_thresholds()
    if rate is not None:
        # the operating point lets K prompts have sqrt(K) times as many, and the rate is that of all together
        own["false_alarms_per_hour"] = per_hour(rate) / math.sqrt(max(len(prompts.names), 1))
        prompts = prompts.without_thresholds()
    if precision is not None:
        prompts = prompts.for_precision(precision)
    return own, prompts


def _worker_pool(settings: DetectSettings, n_recordings: int) -> WorkerPool | None:
    """Several processes, where the user wants them or there are many recordings for ONNX Runtime."""
    from flam.core import ConfigError
    from flam.hub.card import has_graphs
    from flam.hub.hub import resolve
    from flam.jobs.workers import WorkerPool, choose_jobs

    if settings.jobs is not None and settings.jobs < 1:
        raise ConfigError(f"--jobs {settings.jobs} must be at least 1; leave it out to have it chosen")
    folder = resolve(settings.model)
    runs_onnx = has_graphs(folder) and settings.device in ("auto", "cpu") and settings.backend != "torch"
    jobs = choose_jobs(settings.jobs, n_recordings) if runs_onnx or settings.jobs is not None else 1
    return WorkerPool(jobs, folder, settings) if jobs > 1 else None


def _require_pictures(plot: str) -> None:
    from flam.core import ConfigError
    from flam.jobs.outputs import is_folder

    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("--plot needs matplotlib; install it with: pip install 'flam-audio[plot]'")
    if not is_folder(plot):
        from flam.plots.layout import require_picture

        require_picture(Path(plot))


def choose_selection(results: Results, output: Output) -> Selection:
    """Which events are listed.

    Raises
    ------
    ConfigError
        an option that the output can't follow, or a value that is out of range
    """
    from flam.core import ConfigError
    from flam.jobs.outputs import Selection

    if results.top is not None and results.top < 1:
        raise ConfigError(f"--top {results.top} must be at least 1")
    if not 0 <= results.cut_padding_s < float("inf"):
        raise ConfigError(f"--cut-padding {results.cut_padding_s} must be at least 0 seconds")
    if output.kind == "folder" and (results.top is not None or results.rank or results.hide_empty):
        raise ConfigError("--top, --rank and --hide-empty are of one list; give a file with -o, or leave -o out")
    if results.rank and output.format not in ("table", "csv", "jsonl"):
        raise ConfigError(f"--rank: {output.format} is ordered by recording; use --format table, csv or jsonl")
    if results.cut is not None and Path(results.cut).exists() and not Path(results.cut).is_dir():
        raise ConfigError(f"--cut {results.cut}: is a file; name a folder")
    return Selection(results.top, results.rank, results.hide_empty)


def _checked_zone(zone: str) -> str:
    from flam.audio import parse_time_zone
    from flam.jobs.analysis import RECORDER_ZONE

    if zone != RECORDER_ZONE:
        parse_time_zone(zone)
    return zone


def load_detector(settings: DetectSettings, reporter: Reporter) -> tuple[DetectSettings, Detector]:
    """Load the model, and complete the settings with what it says."""
    import flam
    from flam.core import ConfigError, to_mapping
    from flam.hub.hub import resolve
    from flam.jobs.settings import model_identity

    folder = resolve(settings.model, notify=reporter.say)
    model_id = model_identity(folder)
    if settings.model_id not in (None, model_id):
        reporter.warning(f"{settings.model}: another model than the settings were saved with; results may differ")
    detector = flam.load(
        folder,
        device=settings.device,
        precision=settings.precision,
        backend=settings.backend,
        **settings.detection,
    )
    prompts = settings.prompt_list
    texts = [*prompts.texts, *settings.suppress]  # one that can't be used fails here, not for each recording
    with reporter.warnings() as problems, reporter.counting("prompts read", len(texts)) as progress:
        for start in range(0, len(texts), PROMPTS_AT_ONCE):
            detector.embed_text(texts[start : start + PROMPTS_AT_ONCE])
            progress(min(start + PROMPTS_AT_ONCE, len(texts)), len(texts))
    for problem in problems:
        reporter.say(f"warning: {problem}")
    if prompts.configure(detector.config).false_alarms_per_hour and detector.config.false_alarm_curve is None:
        raise ConfigError("nobody measured how often this model is wrong with this score; give --threshold instead")
    foreign = prompts.of_other_models(model_id)
    if foreign:
        reporter.warning(f"prompt {foreign[0]!r} was reviewed with another model; run flam review again to refit it")
    return replace(settings, detection=to_mapping(detector.config), model_id=model_id), detector


def conclude(run: Run, output: Output, reporter: Reporter) -> int:
    """Save the settings, sum up, and give the exit code."""
    from flam.core import save_yaml

    totals, n_all = run.totals, len(run.names)
    n_finished = totals.n_done + totals.n_kept
    if output.settings_path is not None:
        save_yaml(run.settings, output.settings_path)
    if run.was_interrupted:
        kept = "" if output.kind == "stream" else "; they are kept, run the same command again to go on"
        reporter.say(f"interrupted: {n_finished} of {n_all} recordings are done{kept}")
        return 130
    if n_all > 1 or reporter.n_problems or output.kind != "stream":
        earlier = f" ({totals.n_kept} of them earlier)" if totals.n_kept else ""
        failed = f", {reporter.n_problems} with problems" if reporter.n_problems else ""
        where = "" if output.path is None else f" -> {output.path}"
        reporter.say(
            f"{_count(n_finished, 'recording')} done{earlier}{failed}, {_count(totals.n_events, 'event')} "
            f"in {totals.heard_s / 60:.1f} minutes{where}"
        )
    if run.settings.time_zone is not None and totals.n_without_start:
        reporter.say(f"note: {_count(totals.n_without_start, 'recording')} do not say when they began")
    return 1 if reporter.n_problems else 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
