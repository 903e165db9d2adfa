"""Search over the archives that the operator named: words, what must not be, what follows, or a part of a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flam.core import ConfigError
from flam.detection import Detector
from flam.detection.prompt_file import PromptList
from flam.search import Archive, Span
from flam.search.archive import ranked
from flam.search.combine import followed_by
from flam.search.examples import Example, example_query
from flam.server.errors import NotFound

MAX_HITS = 1_000


@dataclass(frozen=True)
class SearchQuery:
    """What to find in archives.

    Parameters
    ----------
    prompts : PromptList
        Sounds; with an example at most one, which describes the same sound.
    suppress : tuple of str
        Sounds that must not be mistaken for a prompt.
    then : str or None
        A sound that has to follow.
    within_s : float
        Most seconds until it follows.
    example : Example or None
        A part of a recording to find the like of.
    options : dict
        Fields of ``DetectionConfig`` that differ from the model's.
    """

    prompts: PromptList
    suppress: tuple[str, ...]
    then: str | None
    within_s: float
    example: Example | None
    options: dict

    def __post_init__(self) -> None:
        if not self.prompts.prompts and self.example is None:
            raise ConfigError("nothing to search for; give prompts or an example")
        if self.example is not None and len(self.prompts.prompts) > 1:
            raise ConfigError("an example goes with one prompt at most, which describes the same sound")


class ArchiveShelf:
    """Archives by the name of their folder, opened anew for each search so that a build that goes on is seen.

    Parameters
    ----------
    paths : sequence of Path
        Folders that ``flam index`` wrote.
    detector : Detector
        The server's model, which has to be that of the archives.

    Raises
    ------
    FlamError
        No archive, one of another model, or two of one name.
    """

    def __init__(self, paths: Sequence[Path], detector: Detector):
        self._detector = detector
        self._paths: dict[str, Path] = {}
        for path in paths:
            name = path.resolve().name
            if name in self._paths:
                raise ConfigError(f"{path}: a second archive called {name!r}; rename one of them")
            Archive(path, detector)
            self._paths[name] = path

    @property
    def names(self) -> list[str]:
        """What the archives are called."""
        return list(self._paths)

    def open(self, name: str) -> Archive:
        """The archive with a name.

        Raises
        ------
        NotFound
            No such archive.
        """
        if name not in self._paths:
            raise NotFound(f"archive {name!r} is not served; there are: {', '.join(self._paths) or 'none'}")
        return Archive(self._paths[name], self._detector)

    def find(self, name: str, query: SearchQuery, cancelled: Callable[[], bool] = lambda: False) -> list[Span]:
        """The spans of a query in an archive, the best first: those of ``flam search``."""
        archive = self.open(name)
        config = query.prompts.configure(archive.detection_config(**query.options))
        then = PromptList.of([] if query.then is None else [query.then])
        queries = []
        if query.example is not None:
            words = self._detector.embed_text(list(query.prompts.names)) if query.prompts.prompts else None
            queries.append(example_query(archive, query.example, config, words, query.suppress))
            asked = then
        else:
            asked = PromptList(
                (*query.prompts.prompts, *(e for e in then.prompts if e.prompt not in query.prompts.names))
            )
        if asked.prompts:
            queries += archive.queries(asked, query.suppress, config)
        found = archive.spans(queries, config.silence_db, cancelled=cancelled)
        if query.then is not None:
            return ranked(followed_by(found, query.then, query.within_s))
        return ranked(found)

    def recording_path(self, name: str, recording: str) -> Path:
        """The file of a recording in an archive.

        Raises
        ------
        NotFound
            The archive does not hold it, or the file is gone.
        """
        known = {row.path for row in self.open(name).recordings}
        if recording not in known or not Path(recording).is_file():
            raise NotFound(f"archive {name!r} holds no such recording, or its file is gone")
        return Path(recording)
