"""Tables of scores: random ones that find some of the events, and the same table as sed_scores_eval takes it."""

import numpy as np
import pytest

from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
from flam.evaluation.curves import f1_interval
from flam.evaluation.table import ScoreTable

GRID = TimeGrid(100, 8)


@pytest.fixture
def random_table():
    def make(
        seed,
        n_recordings=12,
        n_prompts=4,
        n_frames=60,
        n_events=3,
        n_levels=None,
        grid=GRID,
        outside="error",
        **options,
    ):
        rng = np.random.default_rng(seed)
        prompts = tuple(f"prompt {k}" for k in range(n_prompts))
        scores, truth = {}, []
        for r in range(n_recordings):
            n_samples = n_frames * grid.hop_samples - r % grid.hop_samples  # most end inside of their last frame
            end_s = n_samples / grid.sample_rate
            noise = rng.random((n_frames + 4, n_prompts))
            column = sum(noise[shift : n_frames + shift] for shift in range(5)) / 5
            events = []
            for _ in range(rng.integers(0, n_events + 1)):
                onset_s = round(rng.random() * end_s * 0.9, 3)
                event = Event(onset_s, round(min(onset_s + 0.2 + 3 * rng.random(), end_s), 3), rng.choice(prompts))
                frames = slice(*(max(int(s / grid.hop_s + rng.normal()), 0) for s in (event.onset_s, event.offset_s)))
                column[frames, prompts.index(event.prompt)] += 0.3 + rng.random()
                events.append(event)
            column = np.clip(column / 2, 0, 1)
            column = column if n_levels is None else np.round(column * n_levels) / n_levels
            name = f"recording {r}"
            scores[name] = FrameScores(column.astype(np.float32), prompts, grid, 0, n_samples)
            truth.append(RecordingEvents(name, None, tuple(events)))
        return ScoreTable.build(scores, truth, outside=outside, **options)

    return make


@pytest.fixture
def drawn_table():
    """The table of some recordings, each as often as it was drawn."""

    def make(table, draw):
        scores, truth = {}, []
        for r, copy in [(r, copy) for r, times in enumerate(draw) for copy in range(times)]:
            name, rows = f"{r} {copy}", slice(*table.first_row[r : r + 2])
            n_samples = round(table.durations_s[r] * table.grid.sample_rate)
            scores[name] = FrameScores(table.scores[rows], table.prompts, table.grid, 0, n_samples)
            own = table.truth.recording == r
            events = zip(table.truth.onset_s[own], table.truth.offset_s[own], table.truth.prompt[own], strict=True)
            truth.append(RecordingEvents(name, None, tuple(Event(a, b, table.prompts[k]) for a, b, k in events)))
        return ScoreTable.build(scores, truth)

    return make


@pytest.fixture
def small_table():
    """A table of columns of scores, one list per recording and prompt, on frames of 0.1 s."""

    def make(scores, events, n_samples=None, durations_s=None, **options):
        prompts = tuple(sorted({prompt for columns in scores.values() for prompt in columns}))
        tables, truth = {}, []
        for name, columns in scores.items():
            rows = np.array([columns[prompt] for prompt in prompts], np.float32).T
            covered = len(rows) * 100 if n_samples is None else n_samples
            tables[name] = FrameScores(rows, prompts, TimeGrid(1000, 100), 0, covered)
            own = tuple(Event(*event) for event in events.get(name, ()))
            truth.append(RecordingEvents(name, None if durations_s is None else durations_s[name], own))
        return ScoreTable.build(tables, truth, **options)

    return make


@pytest.fixture(scope="session")
def sed_scores_eval():
    """The package itself, imported where a test compares with it: it brings pandas, scikit-learn and matplotlib."""
    import sed_scores_eval

    return sed_scores_eval


@pytest.fixture
def as_sed_scores_eval(sed_scores_eval):
    def convert(table, prompts=None):
        """Scores, ground truth and durations of some prompts."""
        prompts = list(table.prompts if prompts is None else prompts)
        columns = [table.prompts.index(prompt) for prompt in prompts]
        scores, truth = {}, {name: [] for name in table.recordings}
        for r, name in enumerate(table.recordings):
            rows = slice(*table.first_row[r : r + 2])
            edges_s = np.append(table.starts_s[rows], table.ends_s[rows][-1])
            values = table.scores[rows][:, columns].astype(float)
            scores[name] = sed_scores_eval.base_modules.scores.create_score_dataframe(values, edges_s, prompts)
        events = table.truth
        for r, k, onset_s, offset_s in zip(
            events.recording, events.prompt, events.onset_s.tolist(), events.offset_s.tolist(), strict=True
        ):
            if table.prompts[k] in prompts:
                truth[table.recordings[r]].append((onset_s, offset_s, table.prompts[k]))
        return scores, truth, dict(zip(table.recordings, table.durations_s.tolist(), strict=True))

    return convert


@pytest.fixture
def check_f1_interval(random_table, drawn_table):
    """The interval of an F1 is that of tables that hold the drawn recordings."""

    def check(f1_curves, changes):
        table = random_table(3, n_recordings=9, n_events=5)
        best = f1_curves(table).best()
        own = f1_interval(changes(table), best.thresholds, n_draws=15, share=0.8, seed=6)
        drawn = []
        for draw in np.random.default_rng(6).multinomial(9, np.full(9, 1 / 9), 15):
            curves = f1_curves(drawn_table(table, draw)).curves
            f1 = [curve.f1[curve.at(best.thresholds[prompt])] for prompt, curve in curves.items() if curve.n_events]
            drawn.append(np.mean(f1))
        assert own.value == pytest.approx(best.macro, abs=1e-12)
        assert (own.low, own.high) == pytest.approx(tuple(np.quantile(drawn, [0.1, 0.9])), abs=1e-12)
        assert own.low < own.high

    return check
