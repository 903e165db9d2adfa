"""The best of each prompt over all recordings, in the order asked for, and nothing else."""

import random

import pytest

from flam.core import Event, RecordingEvents
from flam.jobs.outputs import Selection, passing_through, select_events


@pytest.fixture
def found():
    """Twenty recordings with up to six events of three prompts, some of equal score."""
    rng = random.Random(0)
    recordings = []
    for name in range(20):
        events = [
            Event(onset, onset + 1.0, rng.choice(["owl", "fox", "rain"]), 0.1, rng.choice([0.2, 0.5, rng.random()]))
            for onset in sorted(rng.uniform(0, 50) for _ in range(rng.randrange(7)))
        ]
        recordings.append(RecordingEvents(f"{name}.wav", 60.0, tuple(events)))
    return recordings


def flat(recordings):
    return [(recording.recording, event) for recording in recordings for event in recording.events]


@pytest.mark.parametrize("top", [1, 3, 1000])
def test_top_keeps_the_best_of_each_prompt(found, top):
    kept = flat(select_events(iter(found), Selection(top=top)))
    for prompt in ("owl", "fox", "rain"):
        every = sorted((pair[1].max_score for pair in flat(found) if pair[1].prompt == prompt), reverse=True)
        assert sorted((pair[1].max_score for pair in kept if pair[1].prompt == prompt), reverse=True) == every[:top]
    assert kept == [pair for pair in flat(found) if pair in kept]  # and their order


def test_ranking_orders_every_event_by_score(found):
    ranked = list(select_events(found, Selection(is_ranked=True)))
    scores = [recording.events[0].max_score for recording in ranked if recording.events]
    assert scores == sorted(scores, reverse=True)
    assert sorted(flat(ranked)) == sorted(flat(found))
    empty = {recording.recording for recording in found if not recording.events}
    assert {recording.recording for recording in ranked if not recording.events} == empty


def test_empty_recordings_are_left_out_only_where_that_is_asked_for(found):
    assert list(select_events(found, Selection())) == found
    assert all(recording.events for recording in select_events(found, Selection(skips_empty=True)))
    assert flat(select_events(found, Selection(skips_empty=True))) == flat(found)


def test_without_top_and_rank_a_recording_comes_before_the_next_is_asked_for(found):
    asked = []
    chosen = select_events(
        passing_through(found, lambda one: asked.append(one.recording)), Selection(skips_empty=False)
    )
    next(chosen)
    assert asked == ["0.wav"]
