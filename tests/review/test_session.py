"""A review from the first question to the prompts file: order, undo, ends, and answers that outlive a model."""

from collections import Counter

import numpy as np
import pytest

from flam.core import AnnotationError, ConfigError, Event, RecordingEvents
from flam.detection.prompt_file import PromptEntry
from flam.review import (
    Candidate,
    Pool,
    RecordingHashes,
    ReviewConfig,
    ReviewSession,
    answers_of,
    find_candidates,
    match_labels,
    read_labels,
    recording_hash,
    write_labels,
    write_questions,
)
from flam.review.session import BIN_EDGES, bin_of, first_questions, next_question


def some_candidates(n=60, shift=0.0, seed=0):
    scores = 1 / (1 + np.exp(-np.random.default_rng(seed).normal(shift, 2, n)))
    return [Candidate(f"{number:03}.wav", 1.0, 2.0, float(score)) for number, score in enumerate(scores)]


def carry_through(session, is_right):
    n = 0
    while (candidate := session.next()) is not None:
        session.answer(candidate, "right" if is_right(candidate) else "wrong")
        n += 1
        assert n <= len(session.candidates)


def test_first_questions_are_two_of_each_bin():
    pool = Pool(np.random.default_rng(0).random(200))
    bins = bin_of(pool.x, BIN_EDGES)
    assert np.bincount(bins).tolist() == [100, 50, 25, 13, 12]
    assert Counter(bins[first_questions(pool)].tolist()) == dict.fromkeys(range(5), 2)


def test_then_the_nearest_to_the_threshold_and_each_fourth_by_chance():
    pool = Pool(np.random.default_rng(0).random(200))
    asked = first_questions(pool)
    distance = np.abs(pool.x - pool.standardise(np.array(0.6)))
    distance[asked] = np.inf
    nearest = int(distance.argmin())
    for n_answers in range(10, 18):
        places = {next_question(pool, asked, n_answers, 0.6, seed) for seed in (0,)}
        assert (places == {nearest}) == (n_answers % 4 != 3)


def test_every_candidate_is_asked_once_and_then_nothing():
    session = ReviewSession("siren", some_candidates(7))
    carry_through(session, lambda candidate: candidate.score > 0.5)
    assert len({label.recording for label in session.labels}) == 7
    assert session.next() is None


def test_review_ends_at_the_agreed_number_and_unsure_does_not_count():
    session = ReviewSession("siren", some_candidates(), config=ReviewConfig(max_answers=12, precise_enough=0.0))
    for _ in range(5):
        session.answer(session.next(), "unsure")
    assert session.answers == {}
    carry_through(session, lambda candidate: candidate.score > 0.7)
    assert len(session.answers) == 12
    assert len(session.labels) == 17
    assert session.summary().endswith("n = 12")


def test_undo_takes_back_answer_and_fit():
    session = ReviewSession("siren", some_candidates())
    assert session.undo() is None
    session.answer(session.next(), "wrong")
    before = (session.fit.intercept, session.fit.slope, session.threshold)
    asked = session.next()
    session.answer(asked, "right", onset_s=0.5, offset_s=2.5)
    assert session.labels[-1].onset_s == 0.5
    assert session.undo() == asked
    assert (session.fit.intercept, session.fit.slope, session.threshold) == before
    assert session.next() == asked


def test_candidate_of_another_review_is_refused():
    with pytest.raises(ConfigError, match="no candidate of 'siren'"):
        ReviewSession("siren", some_candidates()).answer(Candidate("x.wav", 0.0, 1.0, 0.5), "right")


def test_no_candidates_are_refused_with_a_remedy():
    with pytest.raises(ConfigError, match="lower the floor"):
        ReviewSession("siren", [])


def test_answers_go_on_with_another_model_and_refit(tmp_path):
    session = ReviewSession("siren", some_candidates(), model_id="old")
    carry_through(session, lambda candidate: candidate.score > 0.6)
    write_labels(session.labels, tmp_path / "labels.csv")
    kept = read_labels(tmp_path / "labels.csv")
    assert kept == session.labels
    moved = [Candidate(c.recording, c.onset_s + 0.4, c.offset_s + 0.4, c.score**2) for c in session.candidates]
    again = ReviewSession("siren", moved, kept, model_id="new")
    assert again.answers == session.answers
    assert again.threshold.score == pytest.approx(session.threshold.score**2, abs=0.1)
    assert again.entry().model_id == "new"


def test_labels_find_a_recording_that_was_moved_by_its_hash_and_no_other(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"one")
    (tmp_path / "b.wav").write_bytes(b"one")
    (tmp_path / "c.wav").write_bytes(b"two")
    hashes = {name: recording_hash(tmp_path / name) for name in ("a.wav", "b.wav", "c.wav")}
    session = ReviewSession("siren", [Candidate("a.wav", 0.0, 1.0, 0.5)], hashes=hashes)
    session.answer(session.next(), "right")
    elsewhere = [
        Candidate("c.wav", 0.0, 1.0, 0.5),
        Candidate("b.wav", 0.0, 1.0, 0.5),
        Candidate("b.wav", 3.0, 4.0, 0.5),
    ]
    assert list(match_labels(session.labels, elsewhere, "siren", hashes)) == [1]
    assert match_labels(session.labels, elsewhere, "dog", hashes) == {}


def test_sites_are_kept_apart():
    candidates = some_candidates(4)
    session = ReviewSession("siren", candidates, site="garden")
    session.answer(session.next(), "right")
    assert len(match_labels(session.labels, candidates, "siren", {}, site="garden")) == 1
    assert match_labels(session.labels, candidates, "siren", {}, site="roof") == {}
    assert len(match_labels(session.labels, candidates, "siren", {})) == 1


def test_questions_come_back_answered_from_a_spreadsheet(tmp_path):
    candidates = some_candidates(3)
    write_questions("siren", candidates, tmp_path / "ask.csv", {}, "model", "garden")
    assert read_labels(tmp_path / "ask.csv") == []
    lines = (tmp_path / "ask.csv").read_text().splitlines()
    (tmp_path / "ask.csv").write_text("\n".join([lines[0], lines[1].replace(",,model", ",Y,model"), *lines[2:]]))
    [label] = read_labels(tmp_path / "ask.csv")
    assert (label.verdict, label.model_id, label.site, label.score) == ("right", "model", "garden", candidates[0].score)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("siren,a.wav,,1,2,0.5,maybe,,", "line 2: verdict 'maybe'"),
        ("siren,a.wav,,1,x,0.5,right,,", "line 2: could not convert"),
        ("siren,a.wav,,2,1,0.5,right,,", "line 2: needs 0 <= onset_s"),
        ("siren,a.wav,,1,2,nan,right,,", "line 2: needs 0 <= onset_s"),
    ],
)
def test_bad_rows_are_refused_by_line(tmp_path, row, message):
    path = tmp_path / "labels.csv"
    path.write_text(f"prompt,recording,recording_hash,onset_s,offset_s,score,verdict,model_id,site\n{row}\n")
    with pytest.raises(AnnotationError, match=message):
        read_labels(path)


def test_candidates_of_a_long_recording_come_from_all_of_it():
    events = tuple(Event(t, t + 1.0, "siren", 0.5, 0.1 + (t % 7) / 10) for t in np.arange(0.0, 1200.0, 10.0))
    found = find_candidates([RecordingEvents("a.wav", 1200.0, events)], "siren")
    assert np.bincount([int(candidate.onset_s // 300) for candidate in found]).tolist() == [2, 2, 2, 2]


def test_annotated_recordings_answer_like_a_person():
    candidates = [
        Candidate("a.wav", 1.0, 2.0, 0.9),
        Candidate("a.wav", 5.0, 6.0, 0.8),
        Candidate("b.wav", 1.0, 2.0, 0.7),
    ]
    events = {"a.wav": [Event(1.2, 1.4, "siren"), Event(5.0, 6.0, "dog")]}
    assert answers_of(candidates, events, "siren") == {0: True, 1: False}


def test_entry_gives_the_probabilities_of_the_fit():
    session = ReviewSession("siren", some_candidates(), model_id="m")
    carry_through(session, lambda candidate: candidate.score > 0.6)
    entry = session.entry("approximate", PromptEntry("siren", alternatives=("wail",)))
    assert (entry.alternatives, entry.score, entry.model_id, entry.n) == (
        ("wail",),
        "approximate",
        "m",
        len(session.answers),
    )
    for candidate, p in zip(session.candidates, session.probabilities(), strict=True):
        assert entry.probability.of(candidate.score) == pytest.approx(p, abs=1e-9)


def test_hashes_are_made_when_they_are_asked_for(tmp_path):
    paths = [str(tmp_path / name) for name in ("a.wav", "gone.wav")]
    hashes = RecordingHashes(paths, {"known.wav": "0123"} | {paths[1]: "4567"})
    assert len(hashes) == 2
    (tmp_path / "a.wav").write_bytes(b"sound")
    assert hashes[paths[0]] == recording_hash(paths[0])
    (tmp_path / "a.wav").unlink()
    assert hashes[paths[0]]  # remembered
    assert hashes[paths[1]] == "4567"
    assert hashes.get("other.wav", "") == ""
    assert RecordingHashes(paths).get(paths[1], "") == ""  # can't be read
