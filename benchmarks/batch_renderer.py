"""Scenes a second of the batch renderer and of the renderer that mixes one after another, side by side.

    python benchmarks/batch_renderer.py configs/scenes/paper.yaml [scenes in a batch]

Both render the same plans from one waveform bank of made sounds, in turns; the batch renderer on a GPU where there is
one, else on this processor. The first turn of each is not counted. Drawing the plans, which both need, is timed apart.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from flam.core import load_yaml
from flam.data.batch_renderer import BatchRenderer
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.scenes.plan import SceneDrawer
from flam.scenes.render import Renderer
from flam.scenes.scene_config import SceneConfig

RATE = 48_000
N_EVENTS, N_BACKGROUNDS = 100, 10
N_TURNS = 4


def made_clips(folder: Path) -> list[SourceClip]:
    """Decaying noise of 0.2 to 9.9 s as events, steady noise of 12 to 60 s as backgrounds."""
    rng = np.random.default_rng(0)
    clips = []
    for number in range(N_EVENTS + N_BACKGROUNDS):
        kind = "event" if number < N_EVENTS else "background"
        duration_s = min(rng.gamma(2.0, 1.3) + 0.2, 9.9) if kind == "event" else rng.uniform(12, 60)
        noise = rng.normal(0, 0.05, int(duration_s * RATE))
        if kind == "event":
            noise *= np.exp(-np.linspace(0, 4, len(noise)))
        name, source = f"{kind}{number}", "made" if number % 5 else "general"
        soundfile.write(folder / f"{name}.wav", noise, RATE)
        clips.append(SourceClip(name, folder / f"{name}.wav", name, "", kind, name, "", source, "CC0"))
    return clips


def main(recipe: str, n_scenes: int = 16) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = made_clips(folder)
        WaveformBank.build(clips, folder / "bank")
        bank = WaveformBank(folder / "bank")
        labels = {clip.clip_id: clip.label for clip in clips}
        drawer = SceneDrawer(clips, bank, load_yaml(SceneConfig, recipe))
        one_by_one, together = Renderer(bank, labels), BatchRenderer(bank, labels, device)
        clock = time.process_time if device.type == "cpu" else time.perf_counter
        spent = {"plans": 0.0, "one by one": 0.0, f"together on {device}": 0.0}
        largest = 0.0
        for turn in range(N_TURNS + 1):
            times = [clock()]
            plans = [drawer.draw(0, turn * n_scenes + number) for number in range(n_scenes)]
            times.append(clock())
            scenes = [one_by_one.render(plan) for plan in plans]
            times.append(clock())
            batch = together.render(plans)
            if device.type == "cuda":
                torch.cuda.synchronize()
            times.append(clock())
            expected = np.stack([scene.waveform for scene in scenes])
            largest = max(largest, float(np.abs(batch.waveform.cpu().numpy() - expected).max()))
            assert batch.events == tuple(scene.events for scene in scenes)
            if turn:
                for key, spent_s in zip(spent, np.diff(times), strict=True):
                    spent[key] += spent_s
    for key, spent_s in spent.items():
        print(f"{key:20} {N_TURNS * n_scenes / spent_s:8.1f} a second")
    print(f"largest difference of a sample {largest:.1e}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
