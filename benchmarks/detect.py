"""What detection costs from the start of a process to the last event: import, load, analysis, memory.

    python benchmarks/detect.py                      # 10 s and 60 s, 1 to 1,000 prompts
    python benchmarks/detect.py --seconds 3600 --prompts 10 1000 --systems onnx int8 --repeats 1

Every figure comes from a process of its own, and the systems take turns, so that whatever else the machine does hits
all of them. Processor time (user and system, all threads) is the figure to compare; wall time means something on an
idle machine only. ``onnx`` and ``torch`` are flam-mini in fp32; ``int8`` is what ``flam models export --int8`` makes of
it, on processors made for that. ``clap`` is transformers' ClapModel (HTS-AT, random weights) on 10 s windows, the usual
way to search recordings by words; ``openflam`` and ``laion_clap`` take part where they are installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from flam.core.processor import has_fast_int8

RATE = 48_000
WORDS = ("dog", "siren", "rain", "glass", "wind", "speech", "music", "engine", "bird", "water")
# multiply and add of flam-mini's encoder, as torch's FLOP counter counts them
GFLOP_PER_SECOND_OF_AUDIO = 3.2 / 10.24
SYSTEMS = ("onnx", "int8", "torch", "clap", "openflam", "laion_clap")
PACKAGE = {"onnx": "onnxruntime", "int8": "torch", "torch": "torch", "clap": "transformers"}


def prompts(count: int) -> list[str]:
    """Texts of three words."""
    return [f"{WORDS[n % 10]} {WORDS[n // 10 % 10]} {WORDS[n // 100 % 10]}" for n in range(count)]


def run_flam(path: str, texts: list[str], system: str) -> dict[str, float]:
    """One call of ``Detector.detect``."""
    times = {"start": cpu_s()}
    import flam
    from flam.detection.detector import Detector  # noqa: F401 - what load imports

    times["import"] = cpu_s()
    if system == "int8":
        detector = flam.load(Path(path).parent / "int8", precision="int8")
    else:
        detector = flam.load("flam-mini", backend=system, device="cpu")
    times["load"] = cpu_s()
    detector.detect(path, texts)
    times["detect"] = cpu_s()
    return times


def run_clap(path: str, texts: list[str]) -> dict[str, float]:
    """ClapModel on windows of 10 s, texts in batches; its weights are random, which costs the same."""
    times = {"start": cpu_s()}
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    times["import"] = cpu_s()
    torch.manual_seed(0)
    model, extractor = ClapModel(ClapConfig()).eval(), ClapFeatureExtractor(truncation="rand_trunc")
    times["load"] = cpu_s()
    with torch.inference_mode():
        for start in range(0, len(texts), 64):
            tokens = torch.full((len(texts[start : start + 64]), 8), 5)
            model.get_text_features(input_ids=tokens, attention_mask=torch.ones_like(tokens))
        for block in soundfile.blocks(path, 10 * RATE, dtype="float32", always_2d=True, fill_value=0):
            features = extractor(block.mean(axis=1), sampling_rate=RATE, return_tensors="pt")
            model.get_audio_features(**features)
    times["detect"] = cpu_s()
    return times


def run_openflam(path: str, texts: list[str]) -> dict[str, float]:
    """The release, clip by clip of 10 s; it fetches its weights itself."""
    times = {"start": cpu_s()}
    import openflam
    import torch

    times["import"] = cpu_s()
    model = openflam.OpenFLAM(model_name="v1-base")
    times["load"] = cpu_s()
    for block in soundfile.blocks(path, 10 * RATE, dtype="float32", always_2d=True, fill_value=0):
        model.get_local_similarity(torch.from_numpy(block.mean(axis=1))[None], texts)
    times["detect"] = cpu_s()
    return times


def run_laion_clap(path: str, texts: list[str]) -> dict[str, float]:
    """The package of CLAP's authors, on the whole file; random weights."""
    times = {"start": cpu_s()}
    import laion_clap

    times["import"] = cpu_s()
    model = laion_clap.CLAP_Module(enable_fusion=False)
    times["load"] = cpu_s()
    model.get_text_embedding(texts)
    model.get_audio_embedding_from_filelist(x=[path])
    times["detect"] = cpu_s()
    return times


def cpu_s() -> float:
    """Processor time of this process so far, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def ceiling_gflops(seconds: float = 1.0) -> float:
    """What one core of this machine reaches in a multiplication of matrices, GFLOP in a second of processor time."""
    a = np.random.default_rng(0).standard_normal((1024, 1024), np.float32)
    a @ a
    start, n_done = time.process_time(), 0
    while time.process_time() - start < seconds:
        a @ a
        n_done += 1
    return n_done * 2 * 1024**3 / 1e9 / (time.process_time() - start)


def ceiling_of_one_core() -> float:
    """``ceiling_gflops`` in a process whose matrices are multiplied by one thread."""
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    code = "import detect; print(detect.ceiling_gflops())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | one_thread,
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def measure(system: str, path: Path, n_prompts: int) -> dict[str, float]:
    """Run one system in a process of its own."""
    start = time.perf_counter()
    command = [sys.executable, __file__, "--one", system, str(path), str(n_prompts)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{system}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1]) | {"wall": time.perf_counter() - start}


def one(system: str, path: str, n_prompts: int) -> None:
    """What the processes of ``measure`` do."""
    texts = prompts(n_prompts)
    if system in ("onnx", "int8", "torch"):
        times = run_flam(path, texts, system)
    else:
        times = {"clap": run_clap, "openflam": run_openflam, "laion_clap": run_laion_clap}[system](path, texts)
    parts = {
        "import": times["import"] - times["start"],
        "load": times["load"] - times["import"],
        "detect": times["detect"] - times["load"],
        "total": cpu_s(),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(parts))


def write_recording(path: Path, seconds: int) -> None:
    """Noise that rises and falls, as mp3."""
    random = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 1, format="MP3") as file:
        for second in range(seconds):
            level = 0.02 * 10 ** np.sin(second / 3)
            file.write((level * random.standard_normal(RATE)).astype(np.float32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 60], help="lengths of recordings")
    parser.add_argument("--prompts", type=int, nargs="+", default=[1, 10, 100, 1000], help="numbers of prompts")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        one(arguments.one[0], arguments.one[1], int(arguments.one[2]))
        return
    systems = [name for name in arguments.systems if importlib.util.find_spec(PACKAGE.get(name, name))]
    if "int8" in systems and not has_fast_int8():
        systems.remove("int8")
    gflops = ceiling_of_one_core()
    print(f"ceiling of one core: {gflops:.0f} GFLOP/s; median of {arguments.repeats}; CPU s, wall s, peak MB")
    print("system      audio   prompts  import   load  detect   total    wall  peak  x real time (CPU)  of ceiling")
    with tempfile.TemporaryDirectory() as folder:
        if "int8" in systems:
            export = ["models", "export", "flam-mini", "--int8", "-o", f"{folder}/int8"]
            subprocess.run([sys.executable, "-m", "flam", *export], check=True, stdout=subprocess.DEVNULL)
        for seconds in arguments.seconds:
            path = Path(folder) / f"{seconds}.mp3"
            write_recording(path, seconds)
            for n_prompts in arguments.prompts:
                runs: dict[str, list[dict[str, float]]] = {name: [] for name in systems}
                for _ in range(arguments.repeats):
                    for name in systems:
                        runs[name].append(measure(name, path, n_prompts))
                for name in systems:
                    row = {key: statistics.median(run[key] for run in runs[name]) for key in runs[name][0]}
                    share = ""
                    if name in ("onnx", "int8", "torch"):
                        share = f"{GFLOP_PER_SECOND_OF_AUDIO * seconds / row['detect'] / gflops:.0%}"
                    print(
                        f"{name:10} {seconds:5} s {n_prompts:9} {row['import']:7.2f} {row['load']:6.2f} "
                        f"{row['detect']:7.2f} {row['total']:7.2f} {row['wall']:7.2f} {row['peak_mb']:5.0f} "
                        f"{seconds / row['detect']:18.0f} {share:>11}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
