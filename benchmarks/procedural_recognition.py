"""What models trained on recordings say of the procedural sounds: is each class recognised?

    python benchmarks/procedural_recognition.py --tagger yamnet.tflite --classes classes.txt

Each take is tagged in windows every 0.48 s; a take counts as recognised in the top 5 (10) where one of the accepted
classes is among the 5 (10) with the highest mean score. flam-mini is asked with every procedural label as a prompt and
counts where the right one is among its 3 highest mean scores. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np
import yaml
from rich.console import Console
from rich.progress import track

from flam.detection.load import load
from flam.procedural import GENERATORS, SAMPLE_RATE, generate
from recipes.flam_mini.teacher import Teacher

LONGEST_S = 10.0
HOP_S = 0.48
ACCEPTED = Path(__file__).with_suffix(".yaml")


def mean_scores(tagger: Teacher, take: np.ndarray) -> np.ndarray:
    """Mean score of every class, (C,)."""
    window_s = tagger.window_samples / tagger.sample_rate
    starts_s = np.arange(0, max(len(take) / SAMPLE_RATE - window_s, 0) + 1e-6, HOP_S)
    return tagger(take, SAMPLE_RATE, starts_s).scores.mean(axis=0)


def main() -> None:
    """Judge the classes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tagger", required=True, help="a .tflite tagger, such as YAMNet")
    parser.add_argument("--classes", required=True, help="its class names, one a line")
    parser.add_argument("--takes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the first take; the others follow")
    parser.add_argument("--labels", nargs="*", default=sorted(GENERATORS))
    arguments = parser.parse_args()
    accepted = yaml.safe_load(ACCEPTED.read_text(encoding="utf-8"))
    classes = Path(arguments.classes).read_text(encoding="utf-8").splitlines()
    tagger, detector = Teacher(arguments.tagger), load("flam-mini")
    prompts = sorted(GENERATORS)

    print("| label | top 5 | top 10 | flam-mini top 3 | x realtime | accepted classes | heard most often |")
    print("|---|---|---|---|---|---|---|")
    for label in track(arguments.labels, console=Console(stderr=True)):
        ranks, mini_ranks, heard, made_s, spent_s = [], [], Counter[str](), 0.0, 0.0
        right = [classes.index(name) for name in accepted[label]]
        for seed in range(arguments.seed, arguments.seed + arguments.takes):
            start = time.process_time()
            take = generate(label, seed)
            spent_s += time.process_time() - start
            made_s += len(take) / SAMPLE_RATE
            take = take[: int(LONGEST_S * SAMPLE_RATE)]
            scores = mean_scores(tagger, take)
            order = np.argsort(-scores)
            ranks.append(min((int(np.flatnonzero(order == place)[0]) for place in right), default=len(order)))
            heard.update(classes[place] for place in order[:3])
            mini = detector.score((take, SAMPLE_RATE), prompts).scores.mean(axis=0)
            mini_ranks.append(int((mini > mini[prompts.index(label)]).sum()))
        shares = [f"{np.mean(np.array(ranks) < top):.2f}" if right else "-" for top in (5, 10)]
        mini_share = f"{np.mean(np.array(mini_ranks) < 3):.2f}"
        most = ", ".join(f"{name} {count}" for name, count in heard.most_common(3))
        names = "; ".join(accepted[label]) or "none fits"
        figures = f"{shares[0]} | {shares[1]} | {mini_share} | {made_s / spent_s:.0f}"
        print(f"| {label} | {figures} | {names} | {most} |", flush=True)


if __name__ == "__main__":
    main()
