"""``flam data``: list public corpora, check what of them is on the disk, write manifests of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from flam.data.corpora import CorpusReport, Tally

app = App(
    name="data",
    help="List public corpora, check which files are present, and write manifests.",
    help_epilogue="For example:\n\n    flam data list\n\n    flam data check esc50 --root corpora/\n",
)

Name = Annotated[str, Parameter(help="Name of a corpus that flam data list shows.")]
Root = Annotated[Path, Parameter(help="The corpus, or the folder in which its archives were unpacked.")]
Splits = Annotated[
    tuple[str, ...],
    Parameter(name="--split", help="Only this part; once for each.", negative="", show_default=False),
]


@app.command(name="list")
def list_corpora() -> None:
    """List the corpora that can be read: what they hold, on what terms, and where to get them.

    For example: flam data list
    """
    from flam.data.corpora import CORPORA

    rows = [
        (corpus.name, corpus.task, str(corpus.n_classes or "-"), corpus.hours, corpus.licence)
        for corpus in CORPORA.values()
    ]
    _print_table(("name", "labels", "classes", "hours", "licence"), rows)
    sys.stdout.write("\n")
    width = max(map(len, CORPORA))
    for corpus in CORPORA.values():  # addresses below the table, for in a narrow column they would be broken
        sys.stdout.write(f"{corpus.name:{width}}  {corpus.where}\n")


@app.command
def check(
    name: Name,
    /,
    *,
    root: Root,
    split: Splits = (),
    decode: Annotated[
        bool, Parameter(negative="", help="Read every recording to its end, not only its header.")
    ] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress on stderr.")] = False,
) -> int:
    """Report which files of a corpus are present, missing or damaged; the exit code is 1 where something is wrong.

    For example: flam data check esc50 --root corpora/
    """
    from flam.cli.main import FINE, SOME_FAILED
    from flam.core.progress import Reporter
    from flam.data.corpora import check_corpus, find_corpus

    corpus = find_corpus(name)
    with Reporter(quiet).recording(f"checking {corpus.name}", 1, 1) as progress:
        report = check_corpus(corpus, root, split, decode, progress)
    _print_report(report)
    return FINE if report.is_sound else SOME_FAILED


@app.command
def manifest(
    name: Name,
    /,
    *,
    root: Root,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="The manifest to write, a CSV file.")],
    split: Splits = (),
    events: Annotated[
        Path | None,
        Parameter(help="Write the strong labels too: a TSV file that names recordings by their path below the root."),
    ] = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress on stderr.")] = False,
) -> int:
    """Write the recordings that are present as a source library, for training and for mixing scenes.

    For example: flam data manifest esc50 --root corpora/ -o esc50.csv
    """
    from flam.cli.main import FINE, SOME_FAILED
    from flam.core.progress import Reporter
    from flam.data.corpora import CorpusError, find_corpus, write_manifest, write_strong_labels

    corpus, reporter = find_corpus(name), Reporter(quiet)
    splits = split or corpus.present_splits(root)
    items = [item for part in splits for item in corpus.items(root, part, reporter.warning)]
    if events is not None and all(item.events is None for item in items):
        raise CorpusError(f"{corpus.name} has no strong labels in {', '.join(splits)}; leave out --events")
    n_written = write_manifest(corpus, items, output, reporter.warning)
    if events is not None:
        write_strong_labels(corpus, root, items, events)
    reporter.say(
        f"{n_written} of {len(items)} recordings of {corpus.name} ({', '.join(splits)}) are here and in {output}"
    )
    return FINE if n_written and not reporter.n_problems else SOME_FAILED


def _print_report(report: CorpusReport) -> None:
    missing = "dead links" if report.by_link else "missing"
    rows = [
        (
            split.split,
            *map(
                str, (split.n_listed, split.n_present, split.missing.count, split.damaged.count, split.problems.count)
            ),
        )
        for split in report.splits
    ]
    sys.stdout.write(f"{report.corpus} in {report.home}\n")
    _print_table(("split", "listed", "present", missing, "damaged", "bad rows"), rows)
    for split in report.splits:
        _print_names(f"{split.split}, {missing}", split.missing)
        _print_names(f"{split.split}, damaged", split.damaged)
        _print_names(f"{split.split}, bad rows", split.problems)
    _print_names("recordings that no table names", report.stray)
    if report.absent:
        sys.stdout.write(f"not here: {', '.join(report.absent)}\n")


def _print_names(heading: str, tally: Tally) -> None:
    from flam.core.terminal import print_safely

    if tally.count:
        of = f" (the first {len(tally.first)} of {tally.count})" if tally.count > len(tally.first) else ""
        sys.stdout.write(f"\n{heading}{of}:\n")
        for name in tally.first:
            line = f"  {' '.join(name.splitlines())}"
            print_safely(line.encode("utf-8", "backslashreplace").decode("utf-8"))


def _print_table(headings: tuple[str, ...], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading == headings[0])
    for row in rows:
        table.add_row(*map(Text, row))
    Console(file=sys.stdout, highlight=False).print(table)
