"""What nobody can render is refused before anything is drawn, made or held."""

import pytest

from flam.core import ConfigError, from_mapping
from flam.procedural import built_in_library
from flam.scenes.scene import plan_from_json
from flam.scenes.scene_config import SceneConfig


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ({"duration_s": 1e18}, "duration_s is 1e\\+18; it must be above 0 and at most 10800"),
        ({"duration_s": float("nan")}, "duration_s is nan"),
        ({"n_events": {"integers": [1, 10**9]}}, "n_events is drawn from 1 to 1000000000"),
        ({"repeat": {"times": {"integers": [2, 10**9]}}}, "times is drawn"),
        ({"split": {"pieces": {"integers": [2, 10**9]}}}, "pieces is drawn"),
    ],
)
def test_recipes(mapping, told):
    with pytest.raises(ConfigError, match=told):
        from_mapping(SceneConfig, mapping, "recipe")


@pytest.mark.parametrize("duration_s", ["1e18", "-1", "0", "NaN", "Infinity"])
def test_plans(duration_s):
    with pytest.raises(ConfigError, match="duration_s"):
        plan_from_json(f'{{"duration_s":{duration_s},"background":null,"events":[]}}')


def test_libraries():
    with pytest.raises(ConfigError, match="n_takes 1000000000000 must be from 1 to 10000"):
        built_in_library(10**12)
