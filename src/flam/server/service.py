"""Everything the server can do, without HTTP: routes, page, MCP tools and tests call the same object."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from flam.annotations import FORMATS, write_events
from flam.core import ConfigError, Event, RecordingEvents
from flam.detection import Detector
from flam.detection.prompt_file import PromptEntry, PromptList
from flam.server.analysis import Analyser
from flam.server.config import ServerConfig
from flam.server.errors import Forbidden, NotFound, NotReady, TooLarge
from flam.server.scoring import Query, Scorer
from flam.server.store import RecordingStore, StoredRecording, content_id

DEMOS = ("street", "home", "nature")


class Service:
    """Recordings in; progress, heat maps, events and files out.

    Parameters
    ----------
    detector : Detector
        The model, loaded.
    config : ServerConfig
        Permissions and limits.
    model_name : str
        What the model is called.
    model_id : str
        Hash of the model's files.
    presets : dict
        Lists of prompts by name: texts, or mappings with a text and its rule.
    on_finished : callable
        Told of every recording whose analysis ended.
    """

    def __init__(
        self,
        detector: Detector,
        config: ServerConfig,
        model_name: str = "",
        model_id: str = "",
        presets: dict[str, list[dict[str, Any]]] | None = None,
        on_finished: Callable[[StoredRecording], None] = lambda recording: None,
    ):
        self.detector, self.config = detector, config
        self.model_name, self.model_id = model_name, model_id
        self.presets = {} if presets is None else presets
        self.store = RecordingStore(config.max_stored_mb * 1_000_000, config.idle_s)
        self.analyser = Analyser(detector, config.max_duration_s, config.n_workers, config.max_waiting, on_finished)
        self.scorer = Scorer(detector)
        self.started_at = time.time()

    def close(self) -> None:
        """Stop analyses and remove every upload."""
        for recording in self.store:
            recording.cancel.set()
        self.analyser.close()
        self.store.close()

    def add_upload(self, path: Path, id: str, name: str) -> StoredRecording:
        """Take a file that was received; it is moved into the store."""
        return self._add(id, name, path, is_upload=True)

    def add_demo(self, name: str) -> StoredRecording:
        """One of the bundled recordings.

        Raises
        ------
        NotFound
            No demo of this name.
        """
        if name not in DEMOS:
            raise NotFound(f"demo {name!r} is not bundled; choose one of {', '.join(DEMOS)}")
        return self.add_file(Path(str(resources.files("flam") / "assets" / "demo" / f"{name}.ogg")))

    def add_path(self, given: str) -> StoredRecording:
        """A recording under an allowed folder.

        Raises
        ------
        Forbidden
            Not under an allowed folder, wherever its links lead, or no file; which of them is not told.
        """
        return self.add_file(self.allowed_path(given))

    def add_named(self, name: str) -> StoredRecording:
        """A bundled recording by its name, or one under an allowed folder."""
        return self.add_demo(name) if name in DEMOS else self.add_path(name)

    def add_file(self, path: Path) -> StoredRecording:
        """A file that the client may read."""
        return self._add(content_id(path), path.name, path, is_upload=False)

    def allowed_path(self, given: str) -> Path:
        """The file that a client names, if it lies under an allowed folder.

        Raises
        ------
        Forbidden
            As ``add_path``.
        """
        for root in self.config.roots:
            base = root.resolve()
            try:
                path = (base / given).resolve()
                is_file = path.is_relative_to(base) and path.is_file()
            except (OSError, ValueError, RuntimeError):  # too long a name, a null character, a loop of links
                is_file = False
            if is_file:
                return path
        raise Forbidden("no such file under the folders that this server may read (flam serve --root FOLDER)")

    def _add(self, id: str, name: str, path: Path, is_upload: bool) -> StoredRecording:
        self.analyser.require_room()
        recording, is_new = self.store.add(id, name, path, is_upload)
        if is_new:
            self.analyser.submit(recording)
        return recording

    def require_prompts(self, query: Query) -> Query:
        """Refuse more prompts than the server takes at a time.

        Raises
        ------
        TooLarge
            Too many.
        """
        self._require_few(len(query.texts))
        return query

    def require_few(self, entries: Sequence[PromptEntry], suppress: Sequence[str]) -> PromptList:
        """The prompts of a search as a list.

        Raises
        ------
        TooLarge
            Too many.
        """
        prompts = PromptList(tuple(entries))
        self._require_few(len(prompts.texts) + len(suppress))
        return prompts

    def _require_few(self, n_texts: int) -> None:
        if n_texts > self.config.max_prompts:
            raise TooLarge(f"{n_texts} prompts are more than the {self.config.max_prompts} of a request; split them")

    def events(self, recording: StoredRecording, query: Query) -> list[Event]:
        """The events of a recording: those of ``flam detect``."""
        return self.scorer.events(recording, self.require_prompts(query))

    def export(self, recording: StoredRecording, query: Query, format: str) -> tuple[str, str]:
        """The events as a file.

        Returns
        -------
        tuple of str
            The text, and the suffix of its file name.

        Raises
        ------
        ConfigError
            An unknown format.
        NotReady
            The analysis has not ended.
        """
        if format not in FORMATS:
            raise ConfigError(f"format {format!r} is not known; choose one of {', '.join(FORMATS)}")
        require_ready(recording)
        events = tuple(self.events(recording, query))
        rate = recording.sample_rate if format == "raven" else None  # its boxes reach up to half of it
        found = RecordingEvents(recording.name, recording.analysed_s, events, sample_rate=rate)
        file = io.StringIO()
        write_events([found], file, format)
        return file.getvalue(), FORMATS[format].suffix


def require_ready(recording: StoredRecording) -> None:
    """Refuse what needs the whole recording.

    Raises
    ------
    NotReady
        The analysis runs, failed or was cancelled.
    """
    if recording.state != "ready":
        raise NotReady(recording.error or f"{recording.name}: analysed to {recording.analysed_s:.0f} s; wait for it")
