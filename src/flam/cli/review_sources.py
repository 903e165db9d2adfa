"""Where the candidates of a review come from: recordings, archives, or a file of events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flam.core import AnnotationError, AudioError, ConfigError, FlamError, RecordingEvents, ScoreMethod

if TYPE_CHECKING:
    from flam.core.progress import Reporter
    from flam.detection.prompt_file import PromptList

EVENT_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv")


@dataclass(frozen=True)
class Found:
    """Events of all recordings.

    Parameters
    ----------
    recordings : tuple of RecordingEvents
        With paths that lead to the sound.
    hashes : mapping
        Path to the hash of the recording's bytes.
    score : {"posterior", "unbiased", "approximate"}
        The kind of score of the events.
    model_id : str
        Content hash of the model that found them.
    """

    recordings: tuple[RecordingEvents, ...]
    hashes: Mapping[str, str]
    score: ScoreMethod
    model_id: str


def collect(sources: Sequence[str], prompts: PromptList, model: str, floor: float | None, reporter: Reporter) -> Found:
    """Take the events of files, and find those of recordings with a very low threshold.

    Parameters
    ----------
    sources : sequence of str
        Files of events (json, jsonl, csv), archives, recordings and folders.
    prompts : PromptList
        What is reviewed.
    model : str
        Name or folder of the model.
    floor : float, optional
        Score that events must reach; None takes the lowest threshold of the model's curve.
    reporter : Reporter
        Told of recordings that can't be read; the others are taken.
    """
    import flam
    from flam.hub.hub import resolve
    from flam.jobs.inputs import find_sources
    from flam.jobs.settings import model_identity
    from flam.review import RecordingHashes, archive_events, candidate_floor, recording_hash
    from flam.search import Archive
    from flam.search.layout import ArchiveFolder, require_model

    lists = [source for source in sources if source.lower().endswith(EVENT_SUFFIXES)]
    archives = [source for source in sources if ArchiveFolder(Path(source)).exists()]
    folder = resolve(model, notify=reporter.say)
    detector = flam.load(folder)
    recordings = [recording for path in lists for recording in read_results(Path(path))]
    if floor is None:
        floor = candidate_floor(detector.config)
    if not 0 < floor <= 1:
        raise ConfigError(f"--floor {floor} must be within (0, 1]; 0.8 is a low one")
    plain = prompts.without_thresholds()
    paths = find_sources([source for source in sources if source not in (*lists, *archives)], reporter.error)
    for number, source in enumerate(paths, start=1):
        try:
            with reporter.recording(str(source.path), number, len(paths)) as progress:
                events = detector.detect(
                    str(source.path), plain, progress=progress, threshold=floor, low_threshold=floor
                )
            recordings.append(RecordingEvents(str(source.path), None, tuple(events)))
        except FlamError as error:
            reporter.error(str(error))
    hashes = {}
    for recording in recordings:
        try:
            hashes[recording.recording] = recording_hash(recording.recording)
        except AudioError as error:
            reporter.error(str(error))
    present = [recording for recording in recordings if recording.recording in hashes]
    for path in archives:
        archive = Archive(path, detector)
        require_model(folder, model, archive.settings.model_id, Path(path))
        present += archive_events(archive, prompts, floor)
    known = RecordingHashes((recording.recording for recording in present), hashes)
    return Found(tuple(present), known, detector.config.score, model_identity(folder))


def read_results(path: Path) -> list[RecordingEvents]:
    """Events of a file, with the paths of recordings as they lead to the sound: as they are, or beside the file.

    Raises
    ------
    AnnotationError
        If the file can't be read, or no event has a score.
    """
    from flam.annotations import read_events

    recordings = read_events(path)
    if not any(event.max_score is not None for recording in recordings for event in recording.events):
        raise AnnotationError(f"{path}: no event has a score; write it with flam detect and a low --threshold")
    return [
        replace(recording, recording=str(path.parent / recording.recording))
        if not Path(recording.recording).exists() and (path.parent / recording.recording).exists()
        else recording
        for recording in recordings
    ]
