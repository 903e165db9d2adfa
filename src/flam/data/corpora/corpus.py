"""What every corpus offers: splits, recordings with captions and events, classes and their prompts."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flam.core import Event, FlamError

OnProblem = Callable[[str], None]

logger = logging.getLogger(__name__)
_LICENCE = re.compile(
    r"creativecommons\.org/(?:licenses/(?P<kind>[a-z+-]+)|publicdomain/(?P<public>\w+))/(?P<version>[\d.]+)"
)
_PUBLIC = {"zero": "CC0", "mark": "Public Domain Mark"}


class CorpusError(FlamError):
    """A corpus is not where it should be, or one of its own tables can't be read."""


@dataclass(frozen=True)
class CorpusItem:
    """One recording of a corpus, and what the corpus says of it.

    Parameters
    ----------
    recording : str
        name, unique within the split
    path : Path
        where its audio belongs; nothing says that the file is there
    duration_s : float | None, optional
        length in seconds; None where the corpus does not say exactly
    events : tuple[Event, ...] | None, optional
        strong labels by the corpus' own class names, ordered by onset; empty where the annotators heard nothing, None
        where nobody annotated times; soft labels carry the annotators' agreement as their score
    labels : tuple[str, ...], default ()
        classes of the whole recording
    captions : tuple[str, ...], default ()
        sentences about the recording
    group : str, default ""
        recordings cut from one upload share it, across corpora: ``freesound:<id>``, ``youtube:<id>``
    fold : str, default ""
        fold of a published split, or empty
    licence : str, default ""
        terms of this recording; empty where only those of the corpus are known
    """

    recording: str
    path: Path
    duration_s: float | None = None
    events: tuple[Event, ...] | None = None
    labels: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    group: str = ""
    fold: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Corpus:
    """A published corpus: facts about it, and how its files are laid out.

    Parameters
    ----------
    name : str
        as its authors write it
    task : str
        what its labels are
    n_classes : int | None
        number of classes; None for captions and for open vocabularies
    hours : str
        length of what is read, in words
    licence : str
        terms of the corpus as a whole
    where : str
        where it is obtained
    tables : Mapping[str, str]
        split -> the file or folder, relative to the corpus, without which the split is not there
    reader : Callable[[Path, str, OnProblem], list[CorpusItem]]
        ``reader(home, split, on_problem)`` lists the recordings of a split whose table is there
    class_reader : Callable[[Path], tuple[str, ...]], optional
        ``class_reader(home)`` lists the class names
    prompts : Mapping[str, str], optional
        class names that are not plain English -> how to ask for them
    comma : str, default ""
        what class names have in the place of a comma, as ``_and_`` in ``Chirp_and_tweet``; empty for none
    unpacks_to : tuple[str, ...], default ()
        folders that its archives make
    by_link : bool, default False
        whether its audio is published as links, of which some are always dead
    first_label_is_main : bool, default False
        whether the first of several labels is the most specific one and stands for all
    unverified : str, default ""
        what of the layout could not be checked against a publication
    """

    name: str
    task: str
    n_classes: int | None
    hours: str
    licence: str
    where: str
    tables: Mapping[str, str]
    reader: Callable[[Path, str, OnProblem], list[CorpusItem]]
    class_reader: Callable[[Path], tuple[str, ...]] = lambda home: ()
    prompts: Mapping[str, str] = field(default_factory=dict)
    comma: str = ""
    unpacks_to: tuple[str, ...] = ()
    by_link: bool = False
    first_label_is_main: bool = False
    unverified: str = ""

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the parts."""
        return tuple(self.tables)

    def home(self, root: str | Path) -> Path:
        """The folder that holds the tables: the one given, or the one that an archive made in it.

        Raises
        ------
        CorpusError
            neither holds any of the tables
        """
        for folder in (Path(root), *(Path(root, name) for name in self.unpacks_to)):
            if any((folder / table).exists() for table in self.tables.values()):
                return folder
        tables = ", ".join(dict.fromkeys(self.tables.values()))
        raise CorpusError(f"{root}: holds none of the tables of {self.name} ({tables}); give the folder that does")

    def present_splits(self, root: str | Path) -> tuple[str, ...]:
        """The splits whose tables are there."""
        home = self.home(root)
        return tuple(split for split, table in self.tables.items() if (home / table).exists())

    def items(self, root: str | Path, split: str, on_problem: OnProblem = logger.warning) -> list[CorpusItem]:
        """List the recordings of a split, in the order of its table, whether their audio is there or not.

        A recording of which any row can't be understood is left out whole, for half of its labels would mislead.

        Parameters
        ----------
        root : str | Path
            the corpus, or the folder in which its archive was unpacked
        split : str
            one of ``splits``
        on_problem : OnProblem, optional
            called with a line for each row that can't be understood; by default a logged warning

        Raises
        ------
        CorpusError
            no such split, or its table is missing, unreadable or lacks a column

        Examples
        --------
        >>> import tempfile
        >>> from flam.data.corpora import find_corpus
        >>> folder = Path(tempfile.mkdtemp(), "meta")
        >>> folder.mkdir()
        >>> _ = (folder / "esc50.csv").write_text(
        ...     "filename,fold,target,category,esc10,src_file,take\\n1-17124-A-43.wav,1,43,car_horn,False,17124,A\\n"
        ... )
        >>> [item] = find_corpus("ESC-50").items(folder.parent, "all")
        >>> item.recording, item.labels, item.group
        ('1-17124-A-43.wav', ('car_horn',), 'freesound:17124')
        """
        if split not in self.tables:
            raise CorpusError(f"{self.name} has no split {split!r}; its splits: {', '.join(self.tables)}")
        home = self.home(root)
        if not (home / self.tables[split]).exists():
            raise CorpusError(
                f"{home}: {self.tables[split]} is missing, so split {split!r} of {self.name} is not there; "
                f"get it from {self.where}"
            )
        kept: dict[str, CorpusItem] = {}
        for item in self.reader(home, split, on_problem):
            if item.recording in kept:
                on_problem(f"{home / self.tables[split]}: {item.recording!r} is listed again; the first one counts")
            else:
                kept[item.recording] = item
        return list(kept.values())

    def classes(self, root: str | Path) -> tuple[str, ...]:
        """The class names as the corpus writes them; empty for captions and open vocabularies.

        Raises
        ------
        CorpusError
            the corpus keeps them in a table that is missing or can't be read
        """
        return self.class_reader(self.home(root))

    def prompt(self, label: str) -> str:
        """How to ask a model for a class, in plain words.

        Examples
        --------
        >>> from flam.data.corpora import find_corpus
        >>> find_corpus("DESED").prompt("Alarm_bell_ringing"), find_corpus("FSD50K").prompt("Chirp_and_tweet")
        ('alarm bell ringing', 'chirp, tweet')
        """
        if label in self.prompts:
            return self.prompts[label]
        words = label.replace(self.comma, ", ") if self.comma else label
        return words.replace("_", " ").lower()


def licence_name(address: str) -> str:
    """Short name of a licence; an address that is not of Creative Commons is given back as it is.

    Examples
    --------
    >>> licence_name("http://creativecommons.org/licenses/by-nc/3.0/")
    'CC BY-NC 3.0'
    >>> licence_name("https://creativecommons.org/publicdomain/zero/1.0/"), licence_name("see README")
    ('CC0 1.0', 'see README')
    """
    match = _LICENCE.search(address.lower())
    if not match:
        return address.strip()
    if match["public"]:
        return f"{_PUBLIC.get(match['public'], match['public'])} {match['version']}"
    kind = match["kind"]
    return f"CC {'Sampling+' if kind == 'sampling+' else kind.upper()} {match['version']}"
