"""Speed of PSDS against sed_scores_eval on the same random scores, side by side in one run.

    python benchmarks/psds.py --clips 1000 --classes 50

Both are given their own input ready in memory and run in turn; the values have to agree to 1e-6, else this fails.
Scores are smoothed noise that rises where the drawn events are, a different one in every frame: the most thresholds
there can be.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
import warnings

import numpy as np
from rich.console import Console
from rich.table import Table

from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
from flam.evaluation.psds import PSDS1, PSDS1_ALPHA_ST_0, PSDS2, psds
from flam.evaluation.table import ScoreTable

warnings.filterwarnings("ignore", message="pkg_resources is deprecated")

from sed_scores_eval import intersection_based  # noqa: E402
from sed_scores_eval.base_modules.scores import create_score_dataframe  # noqa: E402

CONFIGS = {"psds1": PSDS1, "psds1_alpha_st_0": PSDS1_ALPHA_ST_0, "psds2": PSDS2}
GRID = TimeGrid(48000, 3840)


def draw(n_clips: int, n_classes: int, duration_s: float, seed: int) -> ScoreTable:
    """Clips with up to five events, and scores that find some of them."""
    rng = np.random.default_rng(seed)
    prompts = tuple(f"class {k}" for k in range(n_classes))
    n_samples = round(duration_s * GRID.sample_rate)
    n_frames = GRID.n_frames(n_samples)
    scores, truth = {}, []
    for clip in range(n_clips):
        noise = rng.random((n_frames + 4, n_classes))
        rows = sum(noise[shift : n_frames + shift] for shift in range(5)) / 5
        events = []
        for _ in range(rng.integers(0, 6)):
            onset_s, k = rng.random() * 0.95 * duration_s, int(rng.integers(n_classes))
            offset_s = min(onset_s + 0.25 + rng.exponential(2.0), duration_s)
            events.append(Event(onset_s, offset_s, prompts[k]))
            rows[int(onset_s / GRID.hop_s) : int(offset_s / GRID.hop_s), k] += rng.random()
        scores[str(clip)] = FrameScores((rows / 2).astype(np.float32), prompts, GRID, 0, n_samples)
        truth.append(RecordingEvents(str(clip), duration_s, tuple(events)))
    return ScoreTable.build(scores, truth, outside="trim")


def as_sed_scores_eval(table: ScoreTable) -> tuple[dict, dict, dict]:
    """Scores, ground truth and durations as that package takes them."""
    scores, truth = {}, {name: [] for name in table.recordings}
    for r, name in enumerate(table.recordings):
        rows = slice(*table.first_row[r : r + 2])
        edges_s = np.append(table.starts_s[rows], table.ends_s[rows][-1])
        scores[name] = create_score_dataframe(table.scores[rows].astype(float), edges_s, list(table.prompts))
    events = table.truth
    for r, k, onset_s, offset_s in zip(
        events.recording, events.prompt, events.onset_s.tolist(), events.offset_s.tolist(), strict=True
    ):
        truth[table.recordings[r]].append((onset_s, offset_s, table.prompts[k]))
    return scores, truth, dict(zip(table.recordings, table.durations_s.tolist(), strict=True))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--classes", type=int, default=50)
    parser.add_argument("--duration-s", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scores", nargs="+", choices=list(CONFIGS), default=list(CONFIGS))
    arguments = parser.parse_args()
    table = draw(arguments.clips, arguments.classes, arguments.duration_s, seed=0)
    scores, truth, durations_s = as_sed_scores_eval(table)

    title = f"{arguments.clips} clips of {arguments.duration_s:g} s, {arguments.classes} classes, {GRID.rate_hz:g} Hz"
    report = Table("score", "value", "sed_scores_eval, s", "flam, s", "times the speed", title=title)
    for name in arguments.scores:
        config, theirs_s, ours_s = CONFIGS[name], [], []
        for _ in range(arguments.rounds):
            start = time.perf_counter()
            value, *_ = intersection_based.psds(scores, truth, durations_s, **dataclasses.asdict(config))
            theirs_s.append(time.perf_counter() - start)
            start = time.perf_counter()
            ours = psds(table, config).value
            ours_s.append(time.perf_counter() - start)
            if abs(ours - value) > 1e-6:
                raise SystemExit(f"{name}: flam says {ours}, sed_scores_eval {value}")
        their_median_s, our_median_s = statistics.median(theirs_s), statistics.median(ours_s)
        ratio = f"{their_median_s / our_median_s:.1f}"
        report.add_row(name, f"{ours:.6f}", f"{their_median_s:.2f}", f"{our_median_s:.2f}", ratio)
    Console().print(report)


if __name__ == "__main__":
    main()
