"""Distributions of recipes: what is drawn follows them, and a mistake in YAML is told by its name."""

import numpy as np
import pytest
from scipy import stats

from flam.core import ConfigError, from_mapping, to_mapping
from flam.scenes.distributions import (
    Choice,
    Constant,
    Integers,
    LogUniform,
    Normal,
    TruncatedNormal,
    Uniform,
    Weighted,
)
from flam.scenes.scene_config import SceneConfig

CONTINUOUS = [
    (Uniform((6.0, 30.0)), stats.uniform(6, 24)),
    (LogUniform((20.0, 2000.0)), stats.loguniform(20, 2000)),
    (Normal((3.0, 2.0)), stats.norm(3, 2)),
    (TruncatedNormal((0.0, 1.0, -0.5, 3.0)), stats.truncnorm(-0.5, 3.0)),
]
DISCRETE = [
    (Constant(4.0), {4.0: 1.0}),
    (Integers((2, 4)), {2: 1 / 3, 3: 1 / 3, 4: 1 / 3}),
    (Choice((1.0, 5.0)), {1.0: 0.5, 5.0: 0.5}),
    (Weighted(((1.0, 3.0), (2.0, 0.0), (7.0, 1.0))), {1.0: 0.75, 7.0: 0.25}),
]


@pytest.mark.parametrize(("distribution", "expected"), CONTINUOUS)
def test_continuous(distribution, expected):
    rng = np.random.default_rng(1)
    drawn = np.array([distribution.draw(rng) for _ in range(10_000)])
    assert stats.kstest(drawn, expected.cdf).statistic < 0.02  # 1.95 / sqrt(10,000): one in a thousand is farther
    low, high = distribution.bounds
    assert low <= drawn.min()
    assert drawn.max() <= high


@pytest.mark.parametrize(("distribution", "expected"), DISCRETE)
def test_discrete(distribution, expected):
    rng = np.random.default_rng(1)
    drawn = np.array([distribution.draw(rng) for _ in range(10_000)])
    assert set(drawn) == set(expected)
    for number, share in expected.items():
        assert np.mean(drawn == number) == pytest.approx(share, abs=0.02)  # four standard errors
    assert distribution.bounds == (min(expected), max(expected))


@pytest.mark.parametrize("distribution", [distribution for distribution, _ in CONTINUOUS + DISCRETE])
def test_yaml_round_trip(distribution):
    config = SceneConfig(source_s=Constant(0.0), snr_db=distribution)
    mapping = to_mapping(config)
    assert len(mapping["snr_db"]) == 1
    assert from_mapping(SceneConfig, mapping) == config


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"snr_db": {"unifrm": [6, 30]}}, "snr_db: {'unifrm': .*} is none of {constant} or {uniform}"),
        ({"snr_db": 12}, "snr_db: 12 is none of {constant}"),
        ({"snr_db": {"uniform": [30, 6]}}, r"snr_db: uniform \[30.0, 6.0\] must be finite numbers, the lowest first"),
        ({"snr_db": {"uniform": [6]}}, "snr_db.uniform: .* needs 2 values"),
        ({"snr_db": {"truncated_normal": [0, 1, 50, 60]}}, "at least a millionth of the distribution"),
        ({"snr_db": {"weighted": [[1, -1]]}}, "weights must be >= 0"),
        ({"snr_db": {"choice": []}}, "holds no number"),
        ({"n_events": {"integers": [0, 3]}}, "n_events is drawn from 0 to 3; it must stay within 1 to 10000"),
        ({"effects": {"speed": {"value": {"normal": [1, 0.1]}}}}, "speed is drawn from -inf to inf"),
        ({"effects": {"codec": {"names": ["flac"]}}}, "'flac' is not one of 'mp3', 'vorbis', 'opus'"),
        ({"background_share": 1.5}, "background_share is 1.5; a share must lie within 0 to 1"),
        ({"split": {"share": 0.6}, "repeat": {"share": 0.6}}, "split.share"),
        ({"pools": [{"share": 0.5, "sources": ["a"]}]}, "add up to 0.5"),
        ({"max_polyphony": 0}, "max_polyphony is 0; it must be at least 1"),
        ({"duration_s": -1.0}, "duration_s is -1.0; it must be positive"),
        ({"room": {"height_m": {"constant": 0.5}}}, "height_m is drawn from 0.5"),
    ],
)
def test_mistakes_are_named(mapping, message):
    with pytest.raises(ConfigError, match=message):
        from_mapping(SceneConfig, mapping)
