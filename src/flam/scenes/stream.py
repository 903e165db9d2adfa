"""Scenes of a library by number: drawn and rendered when they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from flam.library.source_library import SourceClip
from flam.library.stores import ClipStore
from flam.scenes.plan import SceneDrawer
from flam.scenes.render import Renderer
from flam.scenes.rendered import RenderedScene
from flam.scenes.scene import ScenePlan
from flam.scenes.scene_config import SceneConfig


class DrawnScene(NamedTuple):
    """A scene and the plan that it was rendered from."""

    plan: ScenePlan
    rendered: RenderedScene


class SceneStream:
    """Endless scenes; equal clips, configurations, seeds and numbers give equal scenes.

    Parameters
    ----------
    clips : Sequence[SourceClip]
        The library.
    store : ClipStore
        Measures and waveforms of the clips.
    config : SceneConfig
        How scenes are drawn.
    seed : int
        Another seed draws other scenes.
    texts : Mapping[str, str] or None
        Clip id to what its events are called; None for the labels of the clips.

    Raises
    ------
    ConfigError
        As ``SceneDrawer``.

    Examples
    --------
    >>> from flam.procedural import built_in_library
    >>> clips, takes = built_in_library(1, labels=["siren", "rain"])
    >>> scenes = SceneStream(clips, takes, SceneConfig(duration_s=2.0), seed=0)
    >>> len(scenes[3].rendered.waveform)
    96000
    """

    def __init__(
        self,
        clips: Sequence[SourceClip],
        store: ClipStore,
        config: SceneConfig,
        seed: int,
        texts: Mapping[str, str] | None = None,
    ):
        labels = {clip.clip_id: clip.label for clip in clips} if texts is None else texts
        self.seed = seed
        self._clips = {clip.clip_id: clip for clip in clips}
        self._drawer = SceneDrawer(clips, store, config)
        self._renderer = Renderer(store, labels, config.room.impulse_responses)

    @property
    def skipped(self) -> Counter[str]:
        """How many clips scenes can't use, by reason."""
        return self._drawer.skipped

    def plan(self, number: int) -> ScenePlan:
        """The plan of a scene, without its sound."""
        return self._drawer.draw(self.seed, number)

    def background(self, number: int) -> SourceClip | None:
        """The clip that lies under a scene."""
        placed = self.plan(number).background
        return None if placed is None else self._clips[placed.clip_id]

    def __getitem__(self, number: int) -> DrawnScene:
        plan = self.plan(number)
        return DrawnScene(plan, self._renderer.render(plan))

    def first(self, n_scenes: int) -> Iterator[DrawnScene]:
        """The first so many scenes, one after another."""
        return (self[number] for number in range(n_scenes))
