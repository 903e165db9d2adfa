"""A researcher's day: scores of a model held against labels, with the field's metrics, and beside another system.

python examples/researcher.py
"""

import importlib.resources
import tempfile
from pathlib import Path

import flam
from flam.annotations import read_events, write_events
from flam.benchmark import Benchmark, Item, evaluate
from flam.benchmark.systems import GivenSystem
from flam.core import RecordingEvents

DEMO = Path(str(importlib.resources.files("flam"))) / "assets" / "demo"
PROMPTS = ("car horn", "dog bark", "siren", "rain")


class FlamMini:
    """A system under evaluation: a name, a fingerprint of its answers, and the answers."""

    name = fingerprint = "flam-mini, as it ships"

    def __init__(self):
        self.detector = flam.load("flam-mini")

    def frame_scores(self, audio, prompts):
        """(T, K) scores of a recording."""
        return self.detector.score(audio, prompts)


def main() -> None:
    """Evaluate two systems on the bundled street scene and print their figures."""
    [labels] = read_events(DEMO / "street.txt")
    events = tuple(event for event in labels.events if event.prompt in PROMPTS)
    benchmark = Benchmark("street", "frames", (Item("street", DEMO / "street.ogg", events=events),), PROMPTS)
    with tempfile.TemporaryDirectory() as folder:
        # what another program reported, in any format that is read: here the labels, late by 0.3 s
        late = [type(e)(e.onset_s + 0.3, e.offset_s + 0.3, e.prompt) for e in events]
        write_events([RecordingEvents("street.ogg", None, tuple(late))], f"{folder}/other.csv", "csv")
        other = GivenSystem(f"{folder}/other.csv", "the other program")
        [evaluation] = evaluate([FlamMini(), other], [benchmark], Path(folder) / "cache")
    for system, result in evaluation.results.items():
        for name in ("frame_auroc", "psds1"):
            if name in result.figures:
                print(f"{system}: {name} {result.figures[name].value:.3f}")


if __name__ == "__main__":
    main()
