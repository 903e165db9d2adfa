"""Writing a report: report.json, table.csv, table.md and index.html, each whole or not at all."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from flam.benchmark.evaluation import Evaluation
from flam.benchmark.report.page import render_html
from flam.benchmark.report.tables import as_csv, as_json, as_markdown
from flam.core import ConfigError, atomic_text
from flam.jobs.manifest import make_folder


def write_report(evaluations: Sequence[Evaluation], folder: str | Path) -> Path:
    """Write all files of a report.

    Parameters
    ----------
    evaluations : Sequence[Evaluation]
        what ``evaluate`` gave
    folder : str | Path
        made where it is missing

    Returns
    -------
    Path
        the page

    Raises
    ------
    ConfigError
        matplotlib is not installed
    OutputError
        a file can't be written
    """
    require_pictures()
    folder = Path(folder)
    make_folder(folder)
    texts = {
        "report.json": as_json(evaluations),
        "table.csv": as_csv(evaluations),
        "table.md": as_markdown(evaluations),
        "index.html": render_html(evaluations),
    }
    for name, text in texts.items():
        with atomic_text(folder / name) as file:
            file.write(text)
    return folder / "index.html"


def require_pictures() -> None:
    """Check for what spectrograms are drawn with, better before hours of scoring than after.

    Raises
    ------
    ConfigError
        it is missing
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("the page of a report needs matplotlib; install it with: pip install 'flam-audio[plot]'")
