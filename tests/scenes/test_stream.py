"""A stream of scenes is drawing and rendering, whichever scene is asked for first."""

import numpy as np

from flam.scenes.plan import SceneDrawer
from flam.scenes.render import render
from flam.scenes.scene_config import SceneConfig
from flam.scenes.stream import SceneStream

CONFIG = SceneConfig(duration_s=3.0)


def test_scenes_are_those_that_are_drawn_and_rendered(library):
    scenes = SceneStream(library.clips, library, CONFIG, seed=4)
    for number in (2, 0):
        plan = SceneDrawer(library.clips, library, CONFIG).draw(4, number)
        expected = render(plan, library, library.labels)
        assert scenes.plan(number) == scenes[number].plan == plan
        assert scenes[number].rendered.events == expected.events
        np.testing.assert_array_equal(scenes[number].rendered.waveform, expected.waveform)


def test_the_first_scenes_come_in_order(library):
    scenes = SceneStream(library.clips, library, CONFIG, seed=4)
    assert [scene.plan for scene in scenes.first(3)] == [scenes.plan(number) for number in range(3)]


def test_events_bear_the_given_texts(library):
    texts = {clip.clip_id: f"the sound of {clip.label}" for clip in library.clips}
    scene = SceneStream(library.clips, library, CONFIG, seed=4, texts=texts)[0].rendered
    assert scene.events
    assert all(event.prompt.startswith("the sound of ") for event in scene.events)
