"""Many clients at once against ``flam serve``: python benchmarks/server_load.py [--clients 50 --minutes 10].

Each client sends a recording of its own over the loopback and waits for its events. Prints errors, times, and how much
memory the server took beyond what it had with its model loaded.
"""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from importlib import resources

import numpy as np
import soundfile

from flam.audio import read_audio

RATE = 16_000


def memory_mb(pid: int, name: str) -> float:
    """A memory figure of a process, MB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) / 1000 for line in file if line.startswith(name))


def body(seconds: float, seed: int) -> bytes:
    """A WAV file that no other client sends."""
    street = read_audio(str(resources.files("flam") / "assets" / "demo" / "street.ogg"), RATE)
    samples = np.resize(np.roll(street, 1000 * seed), round(seconds * RATE))
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def main() -> None:
    """Start a server, let all clients go at once, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    command = [sys.executable, "-m", "flam", "serve", "--no-browser", "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    address = next(word for word in server.stderr.readline().split() if word.startswith("http"))
    before_mb = memory_mb(server.pid, "VmRSS")
    times, errors = [], []

    def client(seed: int) -> None:
        started = time.perf_counter()
        url = f"{address}v1/detect/file?prompt=siren&prompt=car%20horn"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body(60 * options.minutes, seed))) as answer:
                answer.read()
            times.append(time.perf_counter() - started)
        except OSError as error:
            errors.append(repr(error))

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(options.clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{options.clients} clients with {options.minutes:g} minutes each: {len(errors)} errors {errors[:3]}")
    print(f"all done in {time.perf_counter() - started:.0f} s; ", end="")
    print(f"a client waited {statistics.median(times):.0f} s in the median, {max(times):.0f} s at most")
    print(f"server: {before_mb:.0f} MB before, {memory_mb(server.pid, 'VmHWM'):.0f} MB at the most")
    server.terminate()
    server.wait(20)


if __name__ == "__main__":
    main()
