"""Checking a corpus on disk: present, missing and damaged files, and rows that can't be understood."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flam.audio import find_recordings, open_recording
from flam.core import AudioError
from flam.core.progress import Progress
from flam.data.corpora.corpus import Corpus, CorpusError, CorpusItem

MOST_NAMES = 10


@dataclass(frozen=True)
class Tally:
    """How many there are, and the first of them.

    Examples
    --------
    >>> Tally.of(["a", "b"])
    Tally(count=2, first=('a', 'b'))
    """

    count: int
    first: tuple[str, ...]

    @staticmethod
    def of(names: Sequence[str]) -> Tally:
        """Count names, and keep the first ten."""
        return Tally(len(names), tuple(names[:MOST_NAMES]))


@dataclass(frozen=True)
class SplitReport:
    """One split: ``n_listed = n_present + missing.count + damaged.count``.

    Parameters
    ----------
    split : str
        its name
    n_listed : int
        recordings that its table names and that could be understood
    n_present : int
        those whose file is there and could be read as far as was asked
    missing : Tally
        names of recordings without a file; where a corpus is published as links, these are its dead links
    damaged : Tally
        names and reasons of recordings whose file can't be read, or only in part
    problems : Tally
        rows that can't be understood, and labels that are none of the corpus' classes
    """

    split: str
    n_listed: int
    n_present: int
    missing: Tally
    damaged: Tally
    problems: Tally


@dataclass(frozen=True)
class CorpusReport:
    """What a check found.

    Parameters
    ----------
    corpus : str
        name of the corpus
    home : Path
        the folder that holds its tables
    splits : tuple[SplitReport, ...]
        the splits that were checked
    absent : tuple[str, ...]
        splits whose tables are not there
    stray : Tally
        recordings below ``home`` that no checked split names; not counted when only some splits were asked for
    by_link : bool
        whether missing recordings are dead links, which is nobody's fault
    """

    corpus: str
    home: Path
    splits: tuple[SplitReport, ...]
    absent: tuple[str, ...]
    stray: Tally
    by_link: bool

    @property
    def is_sound(self) -> bool:
        """Whether all that could be there is there, readable and understood, and it is not nothing."""
        return all(
            split.n_listed
            and not split.damaged.count
            and not split.problems.count
            and (self.by_link or not split.missing.count)
            for split in self.splits
        )


def check_corpus(
    corpus: Corpus,
    root: str | Path,
    splits: Sequence[str] = (),
    decode: bool = False,
    progress: Progress = lambda done, total: None,
) -> CorpusReport:
    """Compare the tables of a corpus with the files on the disk.

    Parameters
    ----------
    root : str | Path
        the corpus, or the folder in which its archive was unpacked
    splits : Sequence[str], default ()
        those to check; none for all whose tables are there
    decode : bool, default False
        read every recording to its end, which finds files that were cut off; otherwise only their headers
    progress : Progress, optional
        called with recordings done and recordings in all

    Raises
    ------
    CorpusError
        none of the tables is there, or one of ``splits`` is not

    Examples
    --------
    >>> import tempfile
    >>> from flam.data.corpora import find_corpus
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "vggsound.csv").write_text("--0PQM4-hqg,30,waterfall burbling,train\\n")
    >>> report = check_corpus(find_corpus("VGGSound"), folder, ["train"])
    >>> report.splits[0].missing, report.is_sound
    (Tally(count=1, first=('--0PQM4-hqg_000030',)), True)
    """
    home = corpus.home(root)
    present = corpus.present_splits(root)
    problems: dict[str, list[str]] = {}
    listed: dict[str, list[CorpusItem]] = {}
    for split in splits or present:
        told = problems.setdefault(split, [])
        try:
            listed[split] = corpus.items(root, split, told.append)
        except CorpusError as error:
            if split not in present:
                raise
            told.append(str(error))
            listed[split] = []
    try:
        classes = set(corpus.classes(root))
    except CorpusError as error:
        classes = set()
        for told in problems.values():
            told.append(str(error))
    total, done = sum(map(len, listed.values())), 0
    reports = []
    for split, items in listed.items():
        missing, damaged = [], []
        for item in items:
            if not os.path.isfile(item.path):
                is_dead = os.path.islink(item.path)
                missing.append(f"{item.recording} (a link that leads nowhere)" if is_dead else item.recording)
            elif reason := _damage(item.path, decode):
                damaged.append(f"{item.recording}: {reason}")
            problems[split] += [
                f"{item.recording}: {label!r} is none of the corpus' {len(classes)} classes"
                for label in item.labels
                if classes and label not in classes
            ]
            done += 1
            progress(done, total)
        n_present = len(items) - len(missing) - len(damaged)
        tallies = map(Tally.of, (missing, damaged, problems[split]))
        reports.append(SplitReport(split, len(items), n_present, *tallies))
    absent = tuple(split for split in corpus.splits if split not in present)
    stray = [] if splits else _stray(home, [item.path for items in listed.values() for item in items])
    return CorpusReport(corpus.name, home, tuple(reports), absent, Tally.of(stray), corpus.by_link)


def _damage(path: Path, decode: bool) -> str:
    """Why a recording can't be read, or only in part; empty where nothing is wrong."""
    problems: list[str] = []
    try:
        with open_recording(path, problems.append) as recording:
            if recording.n_samples == 0:
                return "holds no samples"
            if decode:
                for _ in recording.blocks():
                    pass
    except AudioError as error:
        problems.append(str(error))
    return problems[0].removeprefix(f"{path}: ") if problems else ""


def _stray(home: Path, known: Sequence[Path]) -> list[str]:
    names = {os.path.normpath(path) for path in known}
    found = find_recordings([home], lambda problem: None)
    return [str(path.relative_to(home)) for path in found if os.path.normpath(path) not in names]
