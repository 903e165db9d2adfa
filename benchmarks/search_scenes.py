"""Render long scenes of sounds that flam-mini was not trained on, to measure search with.

    python benchmarks/search_scenes.py library/manifest.csv scenes/ --scenes 300

The library is a manifest as in ``recipes/flam_mini``, whose split holds its clips out. Scenes last 30 s, with 4 to 8
events 12 to 24 dB above a real ambience, as in the model's own evaluation. ``scenes/truth.jsonl`` tells of each scene
which clip sounds when, and which prompts its ambience may fulfil, so that nobody can judge them there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import soundfile

from flam.benchmark.library_benchmarks import asked_prompts
from flam.benchmark.recipes import RecipeFile
from flam.core import load_yaml
from flam.data.phrases import heard_in, load_phrases
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip, read_manifest
from flam.scenes.plan import SceneDrawer
from flam.scenes.render import Renderer
from flam.training.recipe import load_recipe

BENCHMARK = "configs/benchmarks/flam_mini.yaml"


def held_out_clips(manifest: Path) -> list[SourceClip]:
    """The clips of a library that training has not heard."""
    split = load_recipe("recipes/flam_mini/frames.yaml").task.scenes.split
    return [clip for clip in read_manifest(manifest) if split.holds_out(clip)]


def render(clips: list[SourceClip], bank: WaveformBank, folder: Path, n_scenes: int, seed: int) -> None:
    """Write scenes and what sounds in them."""
    recipe = load_yaml(RecipeFile, BENCHMARK).scenes
    assert recipe is not None
    by_id = {clip.clip_id: clip for clip in clips}
    prompts = asked_prompts(clips, {clip.clip_id: clip.label for clip in clips}, recipe.n_prompts)
    phrases = load_phrases("configs/phrases")
    drawer = SceneDrawer(clips, bank, recipe.scene)
    renderer = Renderer(bank, {clip.clip_id: clip.clip_id for clip in clips})
    lines = []
    for index in range(n_scenes):
        plan = drawer.draw(seed, index)
        scene = renderer.render(plan)
        path = folder / f"{index:04d}.flac"
        soundfile.write(path, scene.waveform.clip(-1, 1), scene.sample_rate, subtype="PCM_16")
        background = None if plan.background is None else by_id[plan.background.clip_id]
        events = [
            {
                "onset_s": event.onset_s,
                "offset_s": event.offset_s,
                "label": by_id[event.prompt].label,
                "clip": event.prompt,
                "group": by_id[event.prompt].group,
            }
            for event in scene.events
        ]
        unsure = sorted(heard_in(background, prompts, phrases))
        lines.append(json.dumps({"file": path.name, "events": events, "unsure": unsure}))
    (folder / "truth.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path, help="manifest of the clips")
    parser.add_argument("output", type=Path, help="folder of the scenes")
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    clips = held_out_clips(options.library)
    bank_folder = options.output.with_name(f"{options.output.name}-bank")
    if not bank_folder.exists():
        WaveformBank.build(clips, bank_folder)
    bank = WaveformBank(bank_folder)
    options.output.mkdir(parents=True)
    render([clip for clip in clips if clip.clip_id in bank], bank, options.output, options.scenes, options.seed)


if __name__ == "__main__":
    main()
