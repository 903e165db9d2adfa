"""The picture of a comparison: each run a dot, each method's mean a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flam.benchmark.reproduce.config import ComparisonConfig
from flam.benchmark.reproduce.table import Results
from flam.core import atomic_path

ROW_IN, PANEL_IN, EDGE_IN = 0.32, 4.2, 0.9
CHANCE = 50.0


def draw_comparison(path: Path, config: ComparisonConfig, results: Results) -> None:
    """Draw what has been measured, a panel for each set of held-out scenes.

    Parameters
    ----------
    path : Path
        PNG file to write.
    config : ComparisonConfig
        What is compared.
    results : dict
        Frame AUROC in [0, 1] by method, seed and set of scenes.
    """
    from matplotlib.figure import Figure

    methods = [method for method in config.methods if results.get(method)]
    size = (PANEL_IN * len(config.measured) + EDGE_IN, ROW_IN * len(methods) + EDGE_IN)
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(config.measured), sharey=True))
    for panel, measured in zip(panels, config.measured, strict=True):
        for place, method in enumerate(methods):
            values = [100 * found[measured] for found in results[method].values()]
            colour = "#c85f2c" if method == config.reference else "#1d87a0"
            panel.vlines(np.mean(values), place - 0.3, place + 0.3, color=colour, linewidth=2)
            panel.plot(values, [place] * len(values), "o", color=colour, alpha=0.6, markersize=5)
        panel.axvline(CHANCE, color="#9aa5b1", linewidth=0.8, linestyle="--")
        panel.set_title(measured, fontsize=9)
        panel.set_xlabel("frame AUROC x 100", fontsize=9)
        panel.tick_params(labelsize=9)
        panel.grid(axis="x", color="#d5dbe1", linewidth=0.6)
        panel.set_axisbelow(True)
    panels[0].set_yticks(range(len(methods)), [config.methods[method].name or method for method in methods])
    panels[0].invert_yaxis()
    with atomic_path(path) as part:
        figure.savefig(part, format="png")
