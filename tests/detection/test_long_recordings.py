"""Hours: every event where it was put, in memory that does not grow with the recording."""

import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from flam.detection import DetectionConfig, Detector

RATE, FRAME_S, BURST_S = 1_000, 0.1, 10.0
HOURS_3 = 3 * 3600.0


def burst_times_s(duration_s: float) -> list[float]:
    """One burst about every two minutes, in step with neither frames nor windows."""
    return [onset_s for onset_s in np.arange(17.03, duration_s, 119.77).tolist() if onset_s + BURST_S < duration_s]


def blocks(duration_s: float) -> Iterator[np.ndarray]:
    """Quiet noise with loud bursts, made while it is read."""
    random = np.random.default_rng(0)
    onsets = np.array(burst_times_s(duration_s))
    for start_s in range(0, int(duration_s), 10):
        time_s = start_s + np.arange(10 * RATE) / RATE
        since = time_s - onsets[np.maximum(np.searchsorted(onsets, time_s, side="right") - 1, 0)]
        is_loud = (since >= 0) & (since < BURST_S)
        yield (np.where(is_loud, 0.5, 0.005) * random.standard_normal(len(time_s))).astype(np.float32)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.fixture
def detector(level_model) -> Detector:
    return Detector(level_model, DetectionConfig(merge_gap_s=0.0, batch_windows=2))


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_three_hours_leave_no_tensors_behind(detector):
    """tracemalloc does not see torch: 108,000 frames of 257 floats would be 111 MB.

    The first test of its file, because what others freed would hide a growth.
    """
    sum(1 for _ in detector.stream_scores(blocks(600.0), ["loud"]))
    before, highest = resident_bytes(), 0
    for _ in detector.stream_scores(blocks(HOURS_3), ["loud"]):
        highest = max(highest, resident_bytes())
    assert highest - before < 30e6


@pytest.mark.timeout(1200)  # six hours of scores: half a minute, and ten on a machine with much else to do
@pytest.mark.slow
def test_bursts_in_three_hours_come_back_where_they_were(detector):
    events = detector.detect(blocks(HOURS_3), ["loud"])
    expected = burst_times_s(HOURS_3)
    assert len(events) == len(expected) == 90
    for event, onset_s in zip(events, expected, strict=True):
        assert event.onset_s == pytest.approx(onset_s, abs=FRAME_S)
        assert event.offset_s == pytest.approx(onset_s + BURST_S, abs=FRAME_S)
        assert event.mean_score > 0.9
    # the other prompt sounds whenever this one does not: the same borders, to the last frame of the recording
    quiet = detector.detect(blocks(HOURS_3), ["quiet"])
    assert [event.onset_s for event in quiet] == [0.0, *(event.offset_s for event in events)]
    assert [event.offset_s for event in quiet] == [*(event.onset_s for event in events), HOURS_3]


def test_events_are_given_while_the_recording_goes_on(detector):
    read_s = 0.0

    def counted():
        nonlocal read_s
        for block in blocks(600.0):
            read_s += len(block) / RATE
            yield block

    delays_s = [read_s - event.offset_s for event in detector.stream_events(counted(), ["loud"])]
    assert len(delays_s) == 5
    # reading goes on while the model computes: at most n_parallel + 2 batches of 2 windows, 8 s apart, wait for it
    assert max(delays_s) < 16.0 * (detector.backend.n_parallel + 3)


@pytest.mark.timeout(1200)
@pytest.mark.slow
def test_three_hours_take_no_more_memory_than_ten_minutes(detector):
    peaks = {}
    for duration_s in (600.0, HOURS_3):
        tracemalloc.start()
        try:
            assert sum(1 for _ in detector.stream_events(blocks(duration_s), ["loud", "quiet"])) > 0
            peaks[duration_s] = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peaks[HOURS_3] < 1.2 * peaks[600.0]
