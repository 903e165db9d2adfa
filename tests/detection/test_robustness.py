"""The shipped model under threads, forks, pickling and many calls: the same scores every time, or a clear error."""

import multiprocessing
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import flam

PROMPTS = ["rain", "siren"]


@pytest.fixture(scope="module")
def detector():
    return flam.load("flam-mini", n_threads=2)


@pytest.fixture(scope="module")
def sound():
    return (0.1 * np.random.default_rng(0).standard_normal(60_000)).astype(np.float32)


@pytest.fixture(scope="module")
def expected(detector, sound):
    return detector.score(sound, PROMPTS).scores


def test_four_threads_share_a_detector(detector, sound, expected):
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: detector.score(sound, PROMPTS).scores, range(8)))
    for result in results:
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_two_detectors_in_one_process(detector, sound, expected):
    other = flam.load("flam-mini", n_threads=1)
    first, second = detector.session(PROMPTS), other.session(PROMPTS)
    pieces = ([], [])
    for start in range(0, len(sound), 5_000):
        pieces[0].extend(first.push(sound[start : start + 5_000]))
        pieces[1].extend(second.push(sound[start : start + 5_000]))
    for own, session in zip(pieces, (first, second), strict=True):
        own += session.finish()
        scores = np.concatenate([piece.scores.scores for piece in own])
        np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_a_pickled_detector_gives_the_same(detector, sound, expected):
    copy = pickle.loads(pickle.dumps(detector))
    assert copy.config == detector.config
    assert copy.card == detector.card
    np.testing.assert_allclose(copy.score(sound, PROMPTS).scores, expected, atol=1e-5)


@pytest.mark.skipif(not hasattr(multiprocessing, "get_context") or sys.platform == "win32", reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_may_use_the_detector_of_its_parent(detector, sound, expected):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def child() -> None:
        queue.put(detector.score(sound, PROMPTS).scores)

    process = context.Process(target=child)
    process.start()
    try:
        np.testing.assert_allclose(queue.get(timeout=120), expected, atol=1e-5)
    finally:
        process.kill()
        process.join()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.slow
def test_five_hundred_calls_leave_nothing_behind(detector, sound):
    def resident_bytes() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    short = sound[:3_840]
    for _ in range(100):
        detector.score(short, PROMPTS)
    before = resident_bytes()
    for _ in range(500):
        detector.score(short, PROMPTS)
    assert resident_bytes() - before < 10e6


def test_what_the_model_cannot_read_is_told_once(caplog):
    detector = flam.load("flam-mini")
    long = " ".join(["rain"] * 100)
    with caplog.at_level("WARNING", logger="flam"):
        detector.embed_text(["rain", long, "犬の鳴き声"])
        detector.embed_text([long, "犬の鳴き声"])
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "reads only its first 77 tokens" in told[0]
    assert "no word of it is known" in told[1]
