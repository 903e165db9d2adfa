"""Spans together, filters, counts and clips, on spans that are written down here."""

import io
from dataclasses import replace
from datetime import date, datetime, time

import numpy as np
import pytest

from flam.core import ConfigError, Event
from flam.detection.prompt_file import Probability, PromptEntry, PromptList
from flam.search import Archive, Filters, Recording, Span
from flam.search.combine import all_of, any_of, followed_by
from flam.search.counts import count, found_in_archive, recorded_hours, with_probability, write_counts
from flam.search.examples import near_duplicates, rank_clips, text_similarities
from flam.search.filters import parse_moment, parse_range, parse_time_of_day


def recording(path="/wood/A_20260501_220000.wav", start="2026-05-01T22:00:00"):
    return Recording(path, 1, 1, "", start, 48_000, 48_000 * 7_200)


def span(onset_s, offset_s, prompt, score=0.9, where=None, level_db=-30.0):
    return Span(recording() if where is None else where, Event(onset_s, offset_s, prompt, score, score), level_db)


def times(spans):
    return [(found.event.onset_s, found.event.offset_s) for found in spans]


def test_all_needs_overlap_or_closeness():
    spans = [
        span(0, 2, "a"),
        span(1, 3, "b", 0.6),
        span(10, 11, "a"),
        span(12, 13, "b"),
        span(0, 5, "a", where=recording("/x")),
    ]
    assert times(all_of(spans, ["a", "b"])) == [(0, 3)]
    assert all_of(spans, ["a", "b"])[0].event.max_score == 0.6
    assert times(all_of(spans, ["a", "b"], within_s=1.0)) == [(0, 3), (10, 13)]
    assert all_of(spans, ["a", "c"]) == []
    with pytest.raises(ConfigError, match="two prompts"):
        all_of(spans, ["a"])


def test_any_joins_what_overlaps():
    spans = [span(0, 2, "a", 0.7), span(1, 3, "b", 0.9), span(3.5, 4, "a"), span(9, 10, "b")]
    found = any_of(spans, ["a", "b"])
    assert times(found) == [(0, 3), (3.5, 4), (9, 10)]
    assert found[0].event.max_score == 0.9


def test_then_follows_within():
    spans = [
        span(0, 2, "glass"),
        span(4, 5, "door", 0.5),
        span(8, 9, "door"),
        span(20, 21, "glass"),
        span(30, 31, "door"),
    ]
    assert times(followed_by(spans, "door", within_s=5)) == [(0, 5)]
    assert followed_by(spans, "door", within_s=5)[0].event.prompt == "glass > door"
    assert times(followed_by(spans, "door", within_s=9)) == [(0, 5), (20, 31)]
    assert followed_by([span(0, 2, "door"), span(3, 4, "glass")], "door", within_s=5) == []


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        (Filters(paths=("A_*.wav",)), True),
        (Filters(paths=("/town/*",)), False),
        (Filters(after=parse_moment("2026-05-01T23:00")), True),
        (Filters(after=parse_moment("2026-05-02")), False),
        (Filters(before=parse_moment("2026-05-01T23:00")), False),
        (Filters(before=parse_moment("2026-05-01T23:01+02:00")), True),
        (Filters(time_of_day=parse_time_of_day("22:30-05:00")), True),
        (Filters(time_of_day=parse_time_of_day("05:00-22:30")), False),
        (Filters(min_duration_s=3.0), False),
        (Filters(max_duration_s=3.0), True),
        (Filters(min_level_db=-29.0), False),
        (Filters(max_score=0.8), False),
    ],
    ids=str,
)
def test_filters(filters, kept):
    found = span(3_600, 3_602, "owl")
    assert (filters.keep_recording(found.recording) and filters.keep_span(found)) is kept


def test_filters_by_clock_leave_out_recordings_without_one():
    assert not Filters(time_of_day=(time(0), time(12))).keep_recording(recording(start=None))
    assert Filters().keep_recording(recording(start=None))


@pytest.mark.parametrize("text", ["noon", "22:00", "25:99-01:00"])
def test_bad_times_of_day(text):
    with pytest.raises(ConfigError, match="22:00-05:00"):
        parse_time_of_day(text)


def test_bad_ranges():
    for text in ("5", "5..1", "a..b"):
        with pytest.raises(ConfigError, match=r"0\.5\.\.5"):
            parse_range(text, "duration")


def test_counts_by_hour_day_and_site():
    spans = [span(0, 2, "owl"), span(3_599, 3_602, "owl"), span(3_601, 3_602, "owl", 0.4), span(7_200, 7_201, "fox")]
    found = found_in_archive(spans, {"owl": 0.5, "fox": 0.5})
    assert [(row.key, row.n) for row in count(found, ["prompt", "hour"])] == [
        (("fox", "00"), 1),
        (("owl", "22"), 2),
        (("owl", "23"), 0),
    ]
    assert [(row.key, row.n) for row in count(found, ["day"])] == [(("2026-05-01",), 2), (("2026-05-02",), 1)]
    assert count(found, ["site"])[0].key == ("wood",)
    assert count(found, ["site"], site_from="name")[0].key == ("A",)
    named = [replace(found[0], recording=f"/x/{name}") for name in ("mic 2026-05-02T12-30Z.wav", "20260502_123000.wav")]
    assert [row.key for row in count(named, ["site"], site_from="name")] == [("",), ("mic",)]
    with pytest.raises(ConfigError, match="week"):
        count(found, ["week"])


def test_estimate_adds_up_probabilities_of_everything_that_may_be_right():
    spans = [span(second, second + 1, "owl", score) for second, score in enumerate([0.99] * 20 + [0.5] * 40)]
    prompts = PromptList((PromptEntry("owl", probability=Probability(-1.0, 1.0)),))
    found = with_probability(found_in_archive(spans, {"owl": 0.9}), prompts.finish(one.event for one in spans))
    [row] = count(found, ["prompt"])
    expected = 20 * Probability(-1.0, 1.0).of(0.99) + 40 * Probability(-1.0, 1.0).of(0.5)
    low, middle, high = row.estimate
    assert (row.n, middle) == (20, pytest.approx(expected, abs=0.01))
    assert low < middle < high < 60
    file = io.StringIO()
    write_counts([row], ["prompt"], file)
    assert file.getvalue().splitlines()[1] == f"owl,20,20.000,{middle:.1f},{low:.1f},{high:.1f}"


def test_recorded_hours_are_cut_at_full_hours():
    row = Recording("/a.wav", 1, 1, "", "2026-05-01T22:30:00", 1000, 1000 * 7_200)
    assert recorded_hours([row, recording(start=None)], 1000) == {
        (date(2026, 5, 1), 22): 1_800.0,
        (date(2026, 5, 1), 23): 3_600.0,
        (date(2026, 5, 2), 0): 1_800.0,
    }
    assert datetime.fromisoformat(row.start_time).hour == 22


def test_whole_files(archive_paths, detector, sounds):
    archive = Archive(archive_paths["exact"], detector)
    expected = {
        str(path): detector.pool([piece.features for piece in detector.stream(path)]) for path in sounds.rglob("*.wav")
    }
    query = detector.embed_text(["tone 400"]).text_features[0]
    ranked = rank_clips(archive, query)
    assert [clip.recording.path for clip in ranked] == sorted(expected, key=lambda path: -float(expected[path] @ query))
    assert len(rank_clips(archive, query, n=2)) == 2
    similarities = text_similarities(archive, ["tone 400", "tone 1000"])
    order = [row.path for row in archive.recordings]
    np.testing.assert_allclose(similarities[:, 0], [expected[path] @ query for path in order], atol=1e-5)
    pairs = {(one.path, other.path) for one, other, _ in near_duplicates(archive, 0.9)}
    assert pairs == {
        (one, other)
        for place, one in enumerate(order)
        for other in order[place + 1 :]
        if expected[one] @ expected[other] >= 0.9
    }
