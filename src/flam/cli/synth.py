"""``flam synth``: draw plans of scenes, render them into shards, and look at what came out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from flam.cli.scene_library import LibraryOptions, format_skipped, opened

if TYPE_CHECKING:
    from flam.core.progress import Reporter
    from flam.data.scene_settings import SceneSetSettings
    from flam.data.scene_shards import SceneSet
    from flam.scenes.plan_lists import Plans
    from flam.scenes.scene import ScenePlan
    from flam.scenes.scene_config import SceneConfig

MOST_LINES = 20

app = App(
    name="synth",
    help="Plan, render and inspect scenes with exact labels.",
    help_epilogue="For example:\n\n    flam synth render -n 1000 -o scenes/\n\n    flam synth inspect scenes/\n",
)

Recipe = Annotated[
    Path | None,
    Parameter(
        help="YAML of flam.scenes.scene_config.SceneConfig, or settings of an earlier run; default: the paper's."
    ),
]
Library = Annotated[LibraryOptions, Parameter(name="*")]
Count = Annotated[int | None, Parameter(name=["--number", "-n"], help="Scenes; 1000, or all of a plan file.")]
Quiet = Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress.")]
DEFAULT_SCENES = 1000


@dataclass(frozen=True)
class Stored:
    """How scenes are stored."""

    format: Annotated[
        Literal["flac", "opus", "wav"],
        Parameter(help="flac (16 bit) repeats to the byte; opus is about five times smaller."),
    ] = "flac"
    shard_scenes: Annotated[int, Parameter(help="Scenes in a shard.")] = 250
    stems: Annotated[bool, Parameter(negative="", help="Store each source on its own too.")] = False
    files: Annotated[
        str | None,
        Parameter(help="Folders of audio files with event lists in this format (dcase, jams, ...), not tar shards."),
    ] = None


@app.command
def plan(
    recipe: Recipe = None,
    /,
    *,
    library: Library = LibraryOptions(),  # noqa: B008
    number: Count = None,
    seed: Annotated[int, Parameter(help="Another seed draws other scenes.")] = 0,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="File of JSON lines; default: stdout.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Draw scenes as plans, one line of JSON each; the same seed draws the same on every machine.

    For example: flam synth plan configs/scenes/paper.yaml --library library.csv -n 100 -o plans.jsonl
    """
    from flam.core import output_lock
    from flam.core.progress import Reporter
    from flam.jobs.outputs import require_parent
    from flam.scenes.plan_lists import PlanSettings, clips_sha256, write_plans
    from flam.scenes.scene import plan_to_json

    reporter = Reporter(quiet)
    scene = _scene_config(recipe)
    n_scenes = _count(number, DEFAULT_SCENES)
    if output is not None:
        require_parent(output)
    with (
        output_lock(output) if output is not None else nullcontext(),
        opened(library) as (clips, measures),
        reporter.counting("plans", n_scenes) as progress,
    ):
        drawer = _drawer(clips, measures, scene, reporter)

        def drawn() -> Iterator[ScenePlan]:
            for index in range(n_scenes):
                yield drawer.draw(seed, index)
                progress(index + 1, n_scenes)

        if output is None:
            sys.stdout.writelines(f"{plan_to_json(one)}\n" for one in drawn())
        else:
            known = clips_sha256(clips, measures)
            write_plans(drawn(), output, PlanSettings(library.clips_from, known, seed, n_scenes, scene))
    if output is not None:
        reporter.say(f"{n_scenes} plans: {output}")


@app.command
def render(
    recipe: Annotated[
        Path | None, Parameter(help="A plan file (.jsonl), or a recipe as for plan; default: the paper's.")
    ] = None,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="Folder of the shards.")],
    library: Library = LibraryOptions(),  # noqa: B008
    number: Count = None,
    seed: Annotated[int | None, Parameter(help="Another seed draws other scenes; 0.")] = None,
    stored: Annotated[Stored, Parameter(name="*")] = Stored(),
    workers: Annotated[
        int | None, Parameter(help="Processes; default: one per processor; 0 works in this process.")
    ] = None,
    ray: Annotated[
        str | None, Parameter(help="Address of a Ray cluster that shares the folders, or local, in place of --workers.")
    ] = None,
    quiet: Quiet = False,
) -> int:
    """Render scenes into shards; running it again resumes, and the number of processes changes no byte.

    For example: flam synth render plans.jsonl --library library.csv -o scenes/
    """
    from flam.cli.main import FINE, SOME_FAILED
    from flam.core import ConfigError
    from flam.core.progress import Reporter
    from flam.data.scene_shards import SceneSet
    from flam.jobs.outputs import require_place
    from flam.jobs.scene_rendering import require_ray
    from flam.scenes.plan_lists import PlanFile

    if workers is not None and (workers < 0 or ray is not None):
        raise ConfigError(f"--workers {workers} must be 0 or more, and not beside --ray; leave one out")
    if ray is not None:
        require_ray()
    # errors in these are reported before sounds are made
    is_planned = recipe is not None and recipe.suffix.lower() == ".jsonl"
    if is_planned:
        PlanFile(recipe)  # type: ignore[arg-type]
    else:
        _scene_config(recipe)
    _count(number, DEFAULT_SCENES)
    require_place(output)
    reporter = Reporter(quiet)
    with opened(library) as (clips, waveforms):
        plans, settings = _set(recipe, clips, waveforms, library, number, seed, stored, reporter)
        scenes = SceneSet(output, plans, clips, waveforms, settings)
        with scenes.reserved():
            remarks = _made(scenes, ray, workers, reporter)
    for scene, reason in list(remarks["left_out"].items())[:MOST_LINES]:
        reporter.error(f"scene {scene} is left out: {reason}")
    if len(remarks["left_out"]) > MOST_LINES:
        reporter.say(f"and {len(remarks['left_out']) - MOST_LINES} more; the index in {output} names them all")
    reporter.say(f"{remarks['n_scenes']} of {settings.n_scenes} scenes: {output}")
    return SOME_FAILED if reporter.n_problems else FINE


@app.command
def inspect(
    scenes: Annotated[Path, Parameter(help="Folder of shards, or a plan file.")],
    /,
    *,
    scene: Annotated[int | None, Parameter(help="Number of a scene to draw; default: statistics of all.")] = None,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Picture of the scene, .png, .svg or .pdf.")
    ] = None,
    library: Library = LibraryOptions(),  # noqa: B008
    quiet: Quiet = False,
) -> None:
    """Compare a set of scenes with its recipe, or draw one scene; plans need --library for that.

    For example: flam synth inspect scenes/ --scene 3 -o scene.png
    """
    from flam.core import ConfigError
    from flam.core.progress import Reporter
    from flam.core.terminal import print_safely
    from flam.data.scene_statistics import set_statistics
    from flam.data.stored_scenes import planned_scene, stored_scene
    from flam.plots.scene import plot_scene

    if (scene is None) != (output is None):
        raise ConfigError("--scene and -o belong together: the number of a scene, and the picture to draw of it")
    if scene is None or output is None:
        print_safely(*set_statistics(scenes, Reporter(quiet)))
        return
    if scenes.is_dir():
        plot_scene(stored_scene(scenes, scene), output)
        return
    with opened(library) as (clips, waveforms):
        plot_scene(planned_scene(scenes, scene, clips, waveforms), output)


def _made(scenes: SceneSet, ray: str | None, workers: int | None, reporter: Reporter) -> dict[str, Any]:
    """Make what is missing of a set, and its index."""
    from flam.core import OutputError
    from flam.core.processes import n_processors
    from flam.jobs.scene_rendering import render_local, render_ray

    missing = scenes.missing()
    n_kept = len(scenes.paths) - len(missing)
    if n_kept:
        reporter.say(f"{n_kept} of {len(scenes.paths)} shards are finished already")
    if ray is not None:
        outcomes = render_ray(scenes, missing, ray) if missing else iter(())
    else:
        outcomes = render_local(scenes, missing, n_processors() if workers is None else workers)
    n_done, n_wanted = 0, sum(len(scenes.numbers(path)) for path in missing)
    with reporter.counting("scenes", n_wanted) as progress:
        for path, outcome in outcomes:
            if isinstance(outcome, OutputError):
                raise outcome  # the next shard could not be written either
            if isinstance(outcome, Exception):
                reporter.error(str(outcome))
            n_done += len(scenes.numbers(path))
            progress(n_done, n_wanted)
    return scenes.write_index()


def _set(
    recipe: Path | None,
    clips: list[Any],
    waveforms: Any,
    library: LibraryOptions,
    number: int | None,
    seed: int | None,
    stored: Stored,
    reporter: Reporter,
) -> tuple[Plans, SceneSetSettings]:
    """The plans of a set and everything that decides what it holds."""
    from flam.core import ConfigError, from_mapping, to_mapping
    from flam.data.scene_settings import SceneSetSettings
    from flam.scenes.plan_lists import DrawnPlans, PlanFile, clips_sha256

    known: dict[str, Any] = {"clips_from": library.clips_from, "clips_sha256": clips_sha256(clips, waveforms)}
    plans: DrawnPlans | PlanFile
    scene: SceneConfig | None
    if recipe is not None and recipe.suffix.lower() == ".jsonl":
        plans = PlanFile(recipe)
        if seed is not None:
            raise ConfigError(f"--seed {seed}: {recipe} is drawn already; leave it out")
        n_scenes, scene = _count(number, len(plans)), None
        if n_scenes > len(plans):
            raise ConfigError(f"-n {n_scenes}: {recipe} holds {len(plans)} plans; ask for no more")
        if plans.settings is not None:
            scene, seed = plans.settings.scene, plans.settings.seed
            if plans.settings.clips_sha256 != known["clips_sha256"]:
                reporter.warning(f"{recipe} was drawn from another library ({plans.settings.clips_from}) than this one")
        known["plans_sha256"] = plans.sha256
    else:
        scene, seed = _scene_config(recipe), 0 if seed is None else seed
        n_scenes = _count(number, DEFAULT_SCENES)
        plans = DrawnPlans(_drawer(clips, waveforms, scene, reporter), seed, n_scenes)
    known |= {"n_scenes": n_scenes, "seed": seed, "scene": None if scene is None else to_mapping(scene)}
    return plans, from_mapping(SceneSetSettings, {**known, **vars(stored)}, "scenes")


def _drawer(clips: list[Any], measures: Any, scene: SceneConfig, reporter: Reporter) -> Any:
    from flam.scenes.plan import SceneDrawer

    drawer = SceneDrawer(clips, measures, scene)
    if drawer.skipped:
        reporter.say(format_skipped(drawer.skipped, clips))
    return drawer


def _scene_config(recipe: Path | None) -> SceneConfig:
    """A recipe from its YAML, or from the key ``scene`` of the settings that a run saves."""
    from flam.core import ConfigError, from_mapping, parse_yaml, read_text
    from flam.scenes.scene_config import SceneConfig

    if recipe is None:
        return SceneConfig()
    mapping = parse_yaml(read_text(recipe, ConfigError), str(recipe))
    if isinstance(mapping, dict) and "scene" in mapping:
        return from_mapping(SceneConfig, mapping["scene"], f"{recipe}: scene")
    return from_mapping(SceneConfig, {} if mapping is None else mapping, str(recipe))


def _count(number: int | None, default: int) -> int:
    from flam.core import ConfigError

    if number is not None and number < 1:
        raise ConfigError(f"-n {number} must be at least 1")
    return default if number is None else number
