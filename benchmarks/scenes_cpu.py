"""How many scenes a second one core plans and renders.

    python benchmarks/scenes_cpu.py configs/scenes/paper.yaml

The library is made here: 400 events of 0.2 to 9.9 s, 40 backgrounds of 12 to 60 s, 16-bit samples in memory as in a
waveform bank. CPU time is counted, so that what else runs on the machine matters little. "First" scenes meet clips
whose levels have not been measured yet; "later" ones meet clips that earlier scenes have used.
"""

import sys
import time
from pathlib import Path

import numpy as np

from flam.core import load_yaml
from flam.library.source_library import SourceClip
from flam.library.stores import ClipStore
from flam.scenes.plan import SceneDrawer
from flam.scenes.render import Renderer
from flam.scenes.scene import plan_from_json, plan_to_json
from flam.scenes.scene_config import SceneConfig

RATE = 48_000
N_PLANS = 2_000
N_FIRST, N_LATER = 100, 300


class MadeBank(ClipStore):
    """Decaying noise as events, steady noise as backgrounds."""

    sample_rate = RATE

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.samples: dict[str, np.ndarray] = {}
        for number in range(400):
            n_samples = int(min(rng.gamma(2.0, 1.3) + 0.2, 9.9) * RATE)
            self.add(f"event{number}", rng.normal(0, 3000, n_samples) * np.exp(-np.linspace(0, 4, n_samples)))
        for number in range(40):
            self.add(f"background{number}", rng.normal(0, 1500, int(rng.uniform(12, 60) * RATE)))
        for number in range(10):
            self.add(f"speech{number}", rng.normal(0, 3000, 3 * RATE))

    def add(self, clip_id: str, samples: np.ndarray) -> None:
        self.samples[clip_id] = samples.astype(np.int16)

    def n_samples(self, clip_id: str) -> int:
        return len(self.samples[clip_id])

    def spans_s(self, clip_id: str) -> list[tuple[float, float]]:
        return [(0.0, self.n_samples(clip_id) / RATE)]

    def waveform(self, clip_id: str) -> np.ndarray:
        return self.samples[clip_id].astype(np.float32) / 32768.0


def source_clip(number: int, clip_id: str) -> SourceClip:
    kind = clip_id.rstrip("0123456789")
    return SourceClip(
        clip_id, Path(clip_id), clip_id, "", kind, clip_id, "", "general" if number % 5 else "made", "CC0"
    )


def main(recipe: str) -> None:
    bank = MadeBank()
    clips = [source_clip(number, clip_id) for number, clip_id in enumerate(bank.samples)]
    drawer = SceneDrawer(clips, bank, load_yaml(SceneConfig, recipe))
    start = time.process_time()
    plans = [drawer.draw(0, index) for index in range(N_PLANS)]
    print(f"plans drawn a second      {N_PLANS / (time.process_time() - start):8.0f}")
    start = time.process_time()
    lines = [plan_to_json(plan) for plan in plans]
    print(f"plans written a second    {N_PLANS / (time.process_time() - start):8.0f}")
    start = time.process_time()
    for line in lines:
        plan_from_json(line)
    print(f"plans read a second       {N_PLANS / (time.process_time() - start):8.0f}")
    renderer = Renderer(bank, {clip.clip_id: clip.label for clip in clips})
    for name, some in (("first", plans[:N_FIRST]), ("later", plans[N_FIRST : N_FIRST + N_LATER])):
        start = time.process_time()
        for plan in some:
            renderer.render(plan)
        print(f"{name} scenes a second     {len(some) / (time.process_time() - start):8.1f}")
    pieces = [piece.duration_s for plan in plans for event in plan.events for piece in event.pieces]
    print(f"events a scene {np.mean([len(plan.events) for plan in plans]):.2f}, of {np.mean(pieces):.2f} s on average")


if __name__ == "__main__":
    main(sys.argv[1])
