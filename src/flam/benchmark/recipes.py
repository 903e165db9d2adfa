"""Benchmarks made from one's own library, as a YAML file says: scenes to listen through, or clips to name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from flam.data.clip_source import ProceduralConfig
from flam.library.source_library import SourceClip, held_out
from flam.scenes.effects.recorder import Recorder
from flam.scenes.scene_config import SceneConfig

Part = Literal["held_out", "training", "all"]


@dataclass(frozen=True)
class Split:
    """Which clips training may see; the default is the split of flam-mini.

    Parameters
    ----------
    share : float, default 0.08
        see ``flam.library.source_library.held_out``
    folds : tuple[str, ...], default ('4',)
        see ``flam.library.source_library.held_out``
    merged_sources : tuple[str, ...], optional
        see ``flam.library.source_library.held_out``
    shares : dict[str, float], optional
        another share for some sources
    """

    share: float = 0.08
    shares: dict[str, float] = field(default_factory=dict)
    folds: tuple[str, ...] = ("4",)
    merged_sources: tuple[str, ...] = (
        *("antum_sounds", "antum_game_mods", "minetest_game", "mineclone5"),
        *("antum_sounds2", "moresounds", "airutils", "repixture"),
    )

    def holds(self, clip: SourceClip, part: Part) -> bool:
        """Whether a clip is of a part."""
        share = self.shares.get(clip.source, self.share)
        return part == "all" or (part == "held_out") == held_out(clip, share, self.folds, self.merged_sources)


@dataclass(frozen=True)
class ScenesRecipe:
    """Scenes mixed from a library; by default the paper's held-out set, from groups that training never saw.

    Parameters
    ----------
    n_scenes : int, default 500
        how many, and of which drawing
    seed : int, default 0
        how many, and of which drawing
    scene : SceneConfig, optional
        how they are drawn; the defaults are the paper's
    events, backgrounds : Part, default "held_out"
        the part of the library that each comes from; speech and music count as events
    prompts : Literal['labels', 'captions'], default "labels"
        ask for the labels of the clips, or as the paper does for their captions
    split : Split, optional
        which groups are held out
    procedural : ProceduralConfig | None, optional
        sounds made from nothing in the place of a library; no training saw its seed
    recorder : Recorder | None, optional
        what the whole scene goes through after mixing; None for nothing
    """

    n_scenes: int = 500
    seed: int = 0
    scene: SceneConfig = field(default_factory=SceneConfig)
    events: Part = "held_out"
    backgrounds: Part = "held_out"
    prompts: Literal["labels", "captions"] = "labels"
    split: Split = field(default_factory=Split)
    procedural: ProceduralConfig | None = None
    recorder: Recorder | None = None

    def __post_init__(self) -> None:
        if self.n_scenes < 1:
            raise ValueError(f"n_scenes is {self.n_scenes}; it must be at least 1")


@dataclass(frozen=True)
class ClassifyRecipe:
    """Clips of a library to be named by their label.

    Parameters
    ----------
    part : Part, default "held_out"
        of the library
    split : Split, optional
        which groups are held out
    folds : tuple[str, ...], default ()
        only clips of these published folds; empty for all clips
    sources : tuple[str, ...], default ()
        only clips of these sources; empty for all
    """

    part: Part = "held_out"
    split: Split = field(default_factory=Split)
    folds: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecipeFile:
    """A YAML file of configs/benchmarks: one of the two kinds.

    Parameters
    ----------
    scenes : ScenesRecipe | None, optional
        one of them
    classify : ClassifyRecipe | None, optional
        one of them
    recorders : dict[str, Recorder], optional
        name to a recorder; the same scenes then make one benchmark for each

    Examples
    --------
    >>> RecipeFile(scenes=ScenesRecipe(n_scenes=20)).scenes.n_scenes
    20
    """

    scenes: ScenesRecipe | None = None
    classify: ClassifyRecipe | None = None
    recorders: dict[str, Recorder] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.recorders and (self.scenes is None or self.scenes.recorder is not None):
            raise ValueError("recorders need scenes, and scenes without a recorder of their own")
        if (self.scenes is None) == (self.classify is None):
            raise ValueError("a benchmark has either the key scenes or the key classify")


# sounds that no library is needed for; the seed is far from those that recipes of training take
BUILTIN = ScenesRecipe(n_scenes=60, events="all", backgrounds="all", procedural=ProceduralConfig(2, 1_000_003))
