"""The input of the metrics: what fits is laid out, what does not is told with both sides, nothing is lost unseen."""

import numpy as np
import pytest
from scipy.ndimage import median_filter

from flam.core import Event, FlamError, FrameScores, RecordingEvents, TimeGrid
from flam.evaluation.table import ScoreTable

GRID = TimeGrid(1000, 100)


def scores_of(prompts=("a", "b"), n_frames=5, value=0.5, grid=GRID):
    return FrameScores(np.full((n_frames, len(prompts)), value, np.float32), prompts, grid, 0, n_frames * 100)


def test_rows_times_and_labels(random_table):
    table = random_table(0, n_recordings=5)
    for r in range(5):
        rows = slice(*table.first_row[r : r + 2])
        starts_s, ends_s = table.starts_s[rows], table.ends_s[rows]
        np.testing.assert_allclose(starts_s, np.arange(len(starts_s)) * 0.08)
        np.testing.assert_allclose(ends_s[:-1], starts_s[1:])
        assert ends_s[-1] == table.durations_s[r] == pytest.approx(4.8 - r / 100)
        for k in range(len(table.prompts)):
            own = (table.truth.recording == r) & (table.truth.prompt == k)
            spans_s = list(zip(table.truth.onset_s[own], table.truth.offset_s[own], strict=True))
            expected = table.grid.frame_labels(spans_s, len(starts_s))
            np.testing.assert_array_equal(table.frame_labels[rows, k], expected)


def test_columns_follow_prompts_whatever_their_order():
    one, other = scores_of(), scores_of(("b", "a"))
    other.scores[:, 0] = 0.9
    table = ScoreTable.build({"x": one, "y": other}, [RecordingEvents(name, None, ()) for name in "xy"])
    np.testing.assert_allclose(table.scores[5:], np.tile([0.5, 0.9], (5, 1)))


def test_median_filter_equals_scipy_within_each_recording(random_table):
    table = random_table(1, n_recordings=3, n_frames=9)
    for n_frames in (1, 3, 5):
        filtered = table.median_filtered(n_frames).scores
        for r in range(3):
            rows = slice(*table.first_row[r : r + 2])
            expected = median_filter(table.scores[rows], size=(n_frames, 1), mode="nearest")
            np.testing.assert_array_equal(filtered[rows], expected)
    with pytest.raises(ValueError, match="median filter of 2 frames"):
        table.median_filtered(2)


@pytest.mark.parametrize(
    ("scores", "truth", "message"),
    [
        ({"x": scores_of(), "z": scores_of()}, "xy", "missing recordings: y; additional recordings: z"),
        ({"x": scores_of(), "y": scores_of(("a", "c"))}, "xy", "missing prompts: b; additional prompts: c"),
        ({"x": scores_of(), "y": scores_of(("a", "b", "b"))}, "xy", "prompts scored more than once: b"),
        ({"x": scores_of(), "y": scores_of(value=np.nan)}, "xy", "y: 10 of 10 scores are not finite, for prompts a, b"),
        ({"x": scores_of(value=-np.inf)}, "x", "not finite"),
        ({"x": scores_of(), "y": scores_of(grid=TimeGrid(2000, 100))}, "xy", "y: scores on TimeGrid"),
        ({"x": scores_of(n_frames=0)}, "x", "x: 0 frames of scores"),
        ({}, "", "no recordings to evaluate"),
        ({"x": scores_of()}, "xx", "the truth holds recording 'x' twice"),
    ],
)
def test_what_does_not_fit_is_told(scores, truth, message):
    with pytest.raises(FlamError, match=message):
        ScoreTable.build(scores, [RecordingEvents(name, None, ()) for name in truth])


def test_long_lists_are_cut():
    names = [f"r{n}" for n in range(9)]
    with pytest.raises(FlamError, match="missing recordings: r1, r2, r3, r4, r5 and 3 more"):
        ScoreTable.build({"r0": scores_of()}, [RecordingEvents(name, None, ()) for name in names])


def test_a_piece_of_a_recording_is_refused():
    piece = FrameScores(np.zeros((5, 1), np.float32), ("a",), GRID, 5, 500)
    with pytest.raises(FlamError, match="begin at frame 5"):
        ScoreTable.build({"x": piece}, [RecordingEvents("x", None, ())])


def test_recordings_without_a_length_are_refused():
    with pytest.raises(FlamError, match="recordings without a length: x"):
        ScoreTable.build({"x": scores_of()}, [RecordingEvents("x", 0.0, ())])


def test_prompts_that_were_not_scored():
    truth = [RecordingEvents("x", None, (Event(0, 0.1, "a"), Event(0.2, 0.3, "dog"), Event(0.3, 0.4, "dog")))]
    with pytest.raises(FlamError, match="1 prompts that were not scored: dog; scored prompts: a, b"):
        ScoreTable.build({"x": scores_of()}, truth)
    table = ScoreTable.build({"x": scores_of()}, truth, other_prompts="ignore")
    assert (len(table.truth.onset_s), table.truth.n_ignored) == (1, 2)


def test_events_outside_of_the_recording():
    events = (Event(0.1, 0.2, "a"), Event(0.4, 0.9, "a"), Event(0.7, 0.8, "b"), Event(0.3, 0.3, "b"))
    truth = [RecordingEvents("x", None, events)]
    with pytest.raises(FlamError, match=r"3 events have no length .* 'a' from 0\.4 s to 0\.9 s of 0\.5 s"):
        ScoreTable.build({"x": scores_of()}, truth)
    trimmed = ScoreTable.build({"x": scores_of()}, truth, outside="trim").truth
    assert trimmed.offset_s.tolist() == [0.2, 0.5]
    assert (trimmed.n_outside, trimmed.n_dropped) == (1, 2)
    with pytest.raises(FlamError, match="1 events have no length"):
        ScoreTable.build({"x": scores_of()}, truth, outside="keep")
    kept = ScoreTable.build({"x": scores_of()}, [RecordingEvents("x", None, events[:3])], outside="keep").truth
    assert kept.offset_s.tolist() == [0.2, 0.9, 0.8]
    assert kept.n_outside == 2


def test_an_end_that_is_off_by_rounding_is_no_error():
    table = ScoreTable.build({"x": scores_of()}, [RecordingEvents("x", 0.4999, (Event(0.4, 0.5, "a"),))])
    assert table.truth.offset_s.tolist() == [0.4999]
    assert table.truth.n_outside == 0


def test_a_duration_given_is_the_recordings():
    table = ScoreTable.build({"x": scores_of()}, [RecordingEvents("x", 2.0, (Event(0.4, 1.5, "a"),))])
    assert table.duration_s == 2.0
    assert table.frame_labels[:, 0].tolist() == [False] * 4 + [True]
