"""What the YAML files of configs/benchmarks hold: scenes to mix from a library, or clips of it to name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flam.benchmark.benchmark import OperatingPoints
from flam.data.clip_source import ProceduralConfig
from flam.library.source_library import HeldOutConfig, SourceClip
from flam.scenes.effects.recorder import Recorder
from flam.scenes.scene_config import SceneConfig

Part = Literal["held_out", "training", "all"]
# of which flam-mini holds out twice as much: those that its v4 was the first to hear
NEW_SOURCES = (
    *("olpc_berklee", "zero_ad", "repixture", "megaglest", "dfcaverns", "ufoai", "flare_game", "kbsim"),
    *("akx_notifications", "yaru_sounds", "godot_xr_tools", "web_audio_samples", "opensoundscape"),
    *("resonance_audio", "fvtt_soundboard"),
)


@dataclass(frozen=True)
class Split(HeldOutConfig):
    """Which clips training may see; the defaults are the split of flam-mini."""

    share: float = 0.08
    shares: dict[str, float] = field(default_factory=lambda: dict.fromkeys(NEW_SOURCES, 0.16))
    folds: tuple[str, ...] = ("4",)
    merged_sources: tuple[str, ...] = (
        *("antum_sounds", "antum_game_mods", "minetest_game", "mineclone5"),
        *("antum_sounds2", "moresounds", "airutils", "repixture"),
    )

    def holds(self, clip: SourceClip, part: Part) -> bool:
        """Whether a clip is of a part."""
        return part == "all" or (part == "held_out") == self.holds_out(clip)


@dataclass(frozen=True)
class ScenesRecipe:
    """Scenes mixed from a library; by default the paper's held-out set, from groups that training never saw.

    Parameters
    ----------
    n_scenes, seed : int
        how many, and of which drawing
    scene : SceneConfig, optional
        how they are drawn; the defaults are the paper's
    events, backgrounds : Part, default "held_out"
        the part of the library that each comes from; speech and music count as events
    sources : tuple[str, ...], default ()
        only clips of these sources; empty for all
    prompts : Literal['labels', 'captions'], default "labels"
        ask for the labels of the clips, or as the paper does for their captions
    n_prompts : int | None, optional
        ask only for so many of these texts, those with most clips; events of others sound, but nobody asks for them
    phrases : Path | None, optional
        folder of phrase sets; with it, prompts that a background may fulfil are not judged in it, see
        ``flam.data.phrases.heard_in``
    points : OperatingPoints, optional
        at which thresholds scores are judged
    split : Split, optional
        which groups are held out
    procedural : ProceduralConfig | None, optional
        synthesised sounds in the place of a library; no training saw its seed
    recorder : Recorder | None, optional
        what the whole scene goes through after mixing; None for nothing
    """

    n_scenes: int = 500
    seed: int = 0
    scene: SceneConfig = field(default_factory=SceneConfig)
    events: Part = "held_out"
    backgrounds: Part = "held_out"
    sources: tuple[str, ...] = ()
    prompts: Literal["labels", "captions"] = "labels"
    n_prompts: int | None = None
    phrases: Path | None = None
    points: OperatingPoints = field(default_factory=OperatingPoints)
    split: Split = field(default_factory=Split)
    procedural: ProceduralConfig | None = None
    recorder: Recorder | None = None

    def __post_init__(self) -> None:
        if self.n_scenes < 1:
            raise ValueError(f"n_scenes is {self.n_scenes}; it must be at least 1")
        if self.n_prompts is not None and self.n_prompts < 1:
            raise ValueError(f"n_prompts is {self.n_prompts}; it must be at least 1, or null for all")

    def wants(self, clip: SourceClip) -> bool:
        """Whether a clip is of the parts and sources that scenes are mixed from."""
        part = self.backgrounds if clip.kind == "background" else self.events
        return self.split.holds(clip, part) and (not self.sources or clip.source in self.sources)


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

    def wants(self, clip: SourceClip) -> bool:
        """Whether a clip is one to name."""
        return bool(
            clip.label
            and self.split.holds(clip, self.part)
            and (not self.folds or clip.fold in self.folds)
            and (not self.sources or clip.source in self.sources)
        )


@dataclass(frozen=True)
class RecipeFile:
    """A YAML file of configs/benchmarks: scenes to detect in, or clips to name.

    Parameters
    ----------
    scenes : ScenesRecipe | None, optional
        one of them
    classify : ClassifyRecipe | None, optional
        one of them
    recorders : dict[str, Recorder], optional
        name to a recorder; the same scenes or clips then make one benchmark for each
    ambience : bool, default False
        one more benchmark: the backgrounds alone, asked for the same prompts
    words : tuple[Path, ...], default ()
        files of other words for labels, as ``flam.data.phrases.read_paraphrases`` reads them: one more benchmark for
        each, of the same scenes, and one of the near misses of the phrase sets

    Examples
    --------
    >>> RecipeFile(scenes=ScenesRecipe(n_scenes=20)).scenes.n_scenes
    20
    """

    scenes: ScenesRecipe | None = None
    classify: ClassifyRecipe | None = None
    recorders: dict[str, Recorder] = field(default_factory=dict)
    ambience: bool = False
    words: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if (self.scenes is None) == (self.classify is None):
            raise ValueError("a benchmark has either the key scenes or the key classify")
        if self.recorders and self.scenes is not None and self.scenes.recorder is not None:
            raise ValueError("recorders need scenes without a recorder of their own")
        has_library = self.scenes is not None and self.scenes.procedural is None
        if (self.ambience or self.words) and not has_library:
            raise ValueError("ambience and words need scenes of a library")
        if self.words and self.scenes is not None and self.scenes.phrases is None:
            raise ValueError("words need scenes.phrases, the folder of phrase sets that names near misses")


# sounds that no library is needed for; the seed is far from those that recipes of training take
BUILTIN = ScenesRecipe(n_scenes=60, events="all", backgrounds="all", procedural=ProceduralConfig(2, 1_000_003))
