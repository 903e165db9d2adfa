"""PSDS equals sed_scores_eval's, and a count by hand at every threshold, also where scores and times are awkward."""

import dataclasses
import itertools

import numpy as np
import pytest

from flam.core import ConfigError
from flam.evaluation.intersection import intersection_curves
from flam.evaluation.psds import (
    PSDS1,
    PSDS1_ALPHA_ST_0,
    PSDS2,
    PSDSConfig,
    psds,
    psds1,
    psds1_alpha_st_0,
    psds2,
    psds_intervals,
    psds_table,
)

WIDE = PSDSConfig(0.3, 0.5, 0.2, alpha_ct=2.0, alpha_st=0.5, max_efpr=3000)
CONFIGS = (PSDS1, PSDS2, PSDS1_ALPHA_ST_0, WIDE)


@pytest.fixture
def check(sed_scores_eval, as_sed_scores_eval):
    def compare(table, configs=CONFIGS, by_hand=True):
        prompts = [prompt for prompt, sounds in zip(table.prompts, table.prompts_with_events(), strict=True) if sounds]
        scores, truth, durations_s = as_sed_scores_eval(table, prompts)
        for config in configs:
            own = psds(table, config)
            value, per_prompt, *_ = sed_scores_eval.intersection_based.psds(
                scores, truth, durations_s, **dataclasses.asdict(config), unit_of_time="hour"
            )
            assert own.value == pytest.approx(value, abs=1e-6)
            if by_hand:
                assert own.value == pytest.approx(psds_by_hand(table, prompts, config), abs=1e-6)
            for prompt in prompts:
                assert own.per_prompt[prompt] == pytest.approx(per_prompt[prompt], abs=1e-6)

    return compare


def psds_by_hand(table, prompts, config):
    """PSDS as it is defined: threshold by threshold, recording by recording, detection by detection."""
    points = {prompt: points_by_hand(table, prompt, prompts, config) for prompt in prompts}
    rates = sorted({rate for own in points.values() for rate, _ in own if rate <= config.max_efpr})
    area = 0.0
    for rate, next_rate in itertools.pairwise([*rates, config.max_efpr]):
        found = [max(share for own_rate, share in points[prompt] if own_rate <= rate) for prompt in prompts]
        area += (next_rate - rate) * max(np.mean(found) - config.alpha_st * np.std(found), 0)
    return area / config.max_efpr


def points_by_hand(table, prompt, prompts, config):
    """Effective false positives per hour, and share of events found, at every threshold."""
    points = [(0.0, 0.0)]
    events = {other: events_by_recording(table, other) for other in prompts}
    n_events = sum(len(own) for own in events[prompt].values())
    for threshold in np.unique(table.scores[:, table.prompts.index(prompt)]):
        n_found = n_false = 0
        triggers = dict.fromkeys(set(prompts) - {prompt}, 0)
        for r in range(len(table.recordings)):
            detections = detections_by_hand(table, r, prompt, threshold)
            own = events[prompt].get(r, [])
            relevant = [d for d in detections if enough(sum(shared(d, e) for e in own), config.dtc_threshold, d)]
            n_false += len(detections) - len(relevant)
            n_found += sum(enough(sum(shared(d, e) for d in relevant), config.gtc_threshold, e) for e in own)
            for d, other in itertools.product(set(detections) - set(relevant), triggers):
                in_other = events[other].get(r, [])
                if in_other and config.cttc_threshold is not None:
                    triggers[other] += enough(sum(shared(d, e) for e in in_other), config.cttc_threshold, d)
        rate = n_false / table.duration_s
        if config.alpha_ct:
            seconds = {o: sum(end - start for own in events[o].values() for start, end in own) for o in triggers}
            rate += config.alpha_ct * np.mean([triggers[other] / seconds[other] for other in triggers])
        points.append((rate * 3600, n_found / n_events))
    return points


def detections_by_hand(table, r, prompt, threshold):
    detections, onset_s = [], None
    for row in range(table.first_row[r], table.first_row[r + 1]):
        is_on = table.scores[row, table.prompts.index(prompt)] >= threshold
        if is_on and onset_s is None:
            onset_s = table.starts_s[row]
        if onset_s is not None and not is_on:
            detections.append((onset_s, table.starts_s[row]))
            onset_s = None
    return detections + ([(onset_s, table.ends_s[row])] if onset_s is not None else [])


def events_by_recording(table, prompt):
    events, truth = {}, table.truth
    for r, k, onset_s, offset_s in zip(truth.recording, truth.prompt, truth.onset_s, truth.offset_s, strict=True):
        if table.prompts[k] == prompt:
            events.setdefault(int(r), []).append((onset_s, offset_s))
    return events


def shared(one, other):
    return max(min(one[1], other[1]) - max(one[0], other[0]), 0.0)


def enough(shared_s, share, span):
    return round(shared_s, 6) >= round(share * (span[1] - span[0]), 6)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_levels", [None, 3, 8])
def test_random_scores_with_and_without_ties(random_table, check, seed, n_levels):
    table = random_table(seed, n_levels=n_levels)
    assert psds(table, PSDS1).value > 0
    check(table, by_hand=False)


@pytest.mark.parametrize("n_levels", [None, 3])
def test_random_scores_by_hand(random_table, check, n_levels):
    table = random_table(1, n_recordings=6, n_frames=20, n_prompts=3, n_levels=n_levels)
    assert psds(table, WIDE).value > 0
    check(table)


def test_median_filter_makes_plateaus(random_table, check):
    check(random_table(7, n_events=6).median_filtered(3), by_hand=False)


def test_recordings_of_many_lengths_and_mostly_without_events(small_table, check):
    rng = np.random.default_rng(3)
    lengths = [1, 2, 3, 5, 8, 40, 1, 17]
    scores = {str(r): {"a": rng.random(n), "b": rng.random(n)} for r, n in enumerate(lengths)}
    check(small_table(scores, {"5": [(0.4, 1.7, "a"), (0.0, 4.0, "b")], "0": [(0.0, 0.1, "a")]}))


def test_all_scores_equal(small_table, check):
    columns = {"a": [0.5] * 10, "b": [0.5] * 10}
    check(small_table({"x": columns, "y": columns}, {"x": [(0.0, 0.8, "a")], "y": [(0.2, 1.0, "b")]}))


def test_same_scores_in_every_recording(small_table, check):
    columns = {"a": [0.1, 0.9, 0.9, 0.3, 0.7, 0.1], "b": [0.9, 0.2, 0.9, 0.2, 0.9, 0.2]}
    truth = {"x": [(0.1, 0.3, "a")], "y": [(0.4, 0.5, "a"), (0.0, 0.6, "b")]}
    check(small_table(dict.fromkeys("xyz", columns), truth))


def test_scores_of_zero_and_one(small_table, check):
    columns = {"a": [0, 1, 1, 0, 0, 1], "b": [1, 0, 1, 0, 1, 0]}
    check(small_table({"x": columns}, {"x": [(0.1, 0.3, "a"), (0.35, 0.55, "b")]}))


def test_detection_that_ends_where_an_event_begins(small_table, check):
    columns = {"a": [0.9, 0.9, 0.1, 0.1, 0.1], "b": [0.1, 0.1, 0.8, 0.1, 0.7]}
    check(small_table({"x": columns}, {"x": [(0.2, 0.4, "a"), (0.3, 0.4, "b")]}))


def test_shares_that_meet_a_criterion_exactly(small_table, check):
    columns = {"a": [0.1] * 3 + [0.9] * 10 + [0.1] * 7, "b": [0.2] * 10 + [0.8] * 10}
    table = small_table({"x": columns}, {"x": [(0.3, 1.0, "a"), (1.7, 2.0, "b")]})
    assert psds1(table).per_prompt["a"] == 1.0  # 0.7 s of 1 s
    assert psds(table, dataclasses.replace(PSDS1, dtc_threshold=0.71)).per_prompt["a"] == 0.0
    assert intersection_curves(table, 0.71, 0.3, 0.3)["b"].cross_trigger_rate.max() > 0
    check(table)


def test_events_that_touch_or_overlap_are_joined(small_table, check):
    columns = {"a": [0.1, 0.9, 0.8, 0.7, 0.6, 0.1], "b": [0.2, 0.3, 0.9, 0.1, 0.2, 0.1]}
    truth = [(0.1, 0.3, "a"), (0.3, 0.4, "a"), (0.2, 0.35, "a"), (0.2, 0.3, "b")]
    table = small_table({"x": columns}, {"x": truth})
    assert table.truth.n_joined == 2
    check(table)


def test_event_beyond_the_recording(small_table, check):
    columns = {"a": [0.1, 0.2, 0.9, 0.8], "b": [0.9, 0.1, 0.4, 0.3]}
    truth = {"x": [(0.2, 0.5, "a"), (0.0, 0.1, "b"), (0.6, 0.9, "b")]}
    table = small_table({"x": columns}, truth, outside="keep")
    assert table.truth.n_outside == 2
    check(table)


def test_recordings_longer_than_their_scores(small_table, check):
    columns = {"a": [0.1, 0.2, 0.9, 0.8], "b": [0.9, 0.1, 0.4, 0.3]}
    check(small_table({"x": columns}, {"x": [(0.2, 0.5, "a"), (0.0, 0.1, "b")]}, durations_s={"x": 60.0}))


def test_last_frame_that_is_partial(small_table, check):
    columns = {"a": [0.1, 0.2, 0.9], "b": [0.9, 0.1, 0.4]}
    check(small_table({"x": columns}, {"x": [(0.2, 0.23, "a"), (0.0, 0.1, "b")]}, n_samples=230))


def test_prompt_without_events_is_left_out_and_named(small_table, check):
    columns = {"a": [0.1, 0.2, 0.9], "b": [0.9, 0.1, 0.4], "c": [0.9, 0.9, 0.8]}
    table = small_table({"x": columns}, {"x": [(0.2, 0.3, "a"), (0.0, 0.1, "b")]})
    assert psds2(table).without_events == ("c",)
    assert np.isnan(psds2(table).per_prompt["c"])
    check(table)


def test_no_events_at_all(small_table):
    nothing = psds1(small_table({"x": {"a": [0.1, 0.2]}}, {}))
    assert np.isnan(nothing.value)
    assert nothing.without_events == ("a",)


def test_one_prompt_has_no_cross_triggers(small_table):
    table = small_table({"x": {"a": [0.1, 0.9, 0.1]}}, {"x": [(0.1, 0.2, "a")]})
    assert psds2(table).value == 1.0


def test_kept_apart_by_name(random_table):
    table = random_table(5)
    scores = psds_table(table)
    assert list(scores) == ["psds1", "psds1_alpha_st_0", "psds2"]
    for name, function in (("psds1", psds1), ("psds1_alpha_st_0", psds1_alpha_st_0), ("psds2", psds2)):
        assert scores[name].value == function(table).value
    assert scores["psds1"].value < scores["psds1_alpha_st_0"].value


@pytest.mark.parametrize("n_levels", [None, 6])
def test_intervals_equal_tables_of_the_drawn_recordings(random_table, drawn_table, n_levels):
    table = random_table(7, n_recordings=9, n_levels=n_levels, n_frames=400, n_events=5)
    noise = np.random.default_rng(8).integers(0, 7, table.scores.shape).astype(np.float32) / 6
    table = dataclasses.replace(table, scores=np.maximum(table.scores, 0.6 * noise))
    own = psds_intervals(table, n_draws=12, share=0.8, seed=4)
    draws = np.random.default_rng(4).multinomial(9, np.full(9, 1 / 9), 12)
    drawn = [psds_table(drawn_table(table, draw)) for draw in draws]
    for name, value in psds_table(table).items():
        expected = np.quantile([scores[name].value for scores in drawn], [0.1, 0.9])
        assert own[name].value == pytest.approx(value.value, abs=1e-12)
        assert (own[name].low, own[name].high) == pytest.approx(tuple(expected), abs=1e-9)
        assert own[name].low < own[name].high


def test_refuses_what_makes_no_sense(random_table):
    with pytest.raises(ConfigError, match=r"alpha_ct 0\.5 with cttc_threshold None"):
        PSDSConfig(alpha_ct=0.5)
    with pytest.raises(ConfigError, match="max_efpr 0"):
        PSDSConfig(max_efpr=0)
    with pytest.raises(ValueError, match="dtc_threshold is 0"):
        intersection_curves(random_table(0), 0, 0.5)
