"""How fast the page of ``flam serve`` is, measured in a browser: python benchmarks/page_speed.py [--hours 2].

Time from a dropped file of 60 s to its heat map, time to a new prompt's row, and the longest task and the longest gap
between two frames while a long recording is scrolled and zoomed. Needs playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import statistics
import tempfile
import threading
import time
from importlib import resources
from pathlib import Path

import numpy as np
import soundfile
import uvicorn
from playwright.sync_api import Page, sync_playwright

import flam
from flam.audio import read_audio
from flam.server.app import create_app
from flam.server.config import ServerConfig
from flam.server.service import Service

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
RATE = 16_000
# a row has colours once its tiles have come
IS_COLOURED = """label => {
    const canvas = document.querySelector(`[aria-label^="Heat map of ${label}:"] canvas`);
    if (!canvas || canvas.width < 50) return false;
    const pixels = new Uint32Array(canvas.getContext("2d").getImageData(0, 3, canvas.width, 1).data.buffer);
    return pixels.every(pixel => pixel !== 0);
}"""
WATCH = """() => {
    window.tasks = []; window.gaps = []; let last = performance.now(); window.watching = true;
    new PerformanceObserver(list => list.getEntries().forEach(entry => window.tasks.push(entry.duration)))
        .observe({ type: "longtask", buffered: false });
    const frame = () => { const now = performance.now(); window.gaps.push(now - last); last = now;
        if (window.watching) requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
}"""


def serve(hours: float) -> tuple[str, uvicorn.Server]:
    """Start a server in a thread; its address."""
    service = Service(flam.load(), ServerConfig(max_duration_s=hours * 3600 + 10))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(service), port=port, log_level="warning", ws="websockets-sansio"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return f"http://127.0.0.1:{port}", server


def write_recording(path: Path, seconds: float) -> None:
    """The bundled street recording, again and again, a little louder or quieter each time."""
    street = read_audio(str(resources.files("flam") / "assets" / "demo" / "street.ogg"), RATE)
    random = np.random.default_rng(0)
    n_left = round(seconds * RATE)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        while n_left > 0:
            part = street[:n_left] * random.uniform(0.2, 1.0)
            file.write(part)
            n_left -= len(part)


def keep(page: Page, prompt: str) -> float:
    """Seconds from a prompt's last key to its coloured row."""
    page.fill("#prompt", prompt)
    started = time.perf_counter()
    page.press("#prompt", "Enter")
    page.wait_for_function(IS_COLOURED, arg=prompt, polling="raf")
    return time.perf_counter() - started


def measure_short(page: Page, recording: Path) -> None:
    """A recording of 60 s: to the heat map, and new prompts."""
    keep_empty = ["siren", "car horn"]
    for prompt in keep_empty:
        page.fill("#prompt", prompt)
        page.press("#prompt", "Enter")
    started = time.perf_counter()
    page.set_input_files("input[type=file]", recording)
    page.wait_for_function(IS_COLOURED, arg="siren", polling="raf")
    print(f"60 s file chosen to whole heat map: {time.perf_counter() - started:.2f} s")
    prompts = [f"{what} {where}" for what in ("dog", "bell", "rain", "engine") for where in ("near", "far", "indoors")]
    times = [keep(page, prompt) for prompt in prompts]
    print(f"new prompt to its row, {len(times)} times: median {1000 * statistics.median(times):.0f} ms, ", end="")
    print(f"longest {1000 * max(times):.0f} ms")


def measure_long(page: Page, recording: Path, seconds: float) -> None:
    """A long recording: scrolled and zoomed."""
    started = time.perf_counter()
    page.set_input_files("input[type=file]", recording)
    page.wait_for_function(
        "name => document.querySelector('.name') && document.querySelector('strong')?.textContent === name",
        arg=recording.name,
        timeout=3_600_000,
    )
    print(f"{seconds / 3600:g} h sent and analysed: {time.perf_counter() - started:.0f} s")
    page.wait_for_function(IS_COLOURED, arg="siren", polling="raf")
    box = page.locator(".touch").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.evaluate(WATCH)
    for deltas in ((0, -60),) * 40, ((90, 0),) * 150, ((0, 60),) * 20, ((-120, 0),) * 150, ((0, 60),) * 20:
        for delta in deltas:
            page.mouse.wheel(*delta)
            page.wait_for_timeout(15)
    page.evaluate("window.watching = false")
    tasks, gaps = page.evaluate("[window.tasks, window.gaps]")
    print(f"scrolled and zoomed, {len(gaps)} frames: longest task {max(tasks, default=0):.0f} ms, ", end="")
    print(f"{sum(task > 100 for task in tasks)} over 100 ms; ", end="")
    gaps.sort()
    print(f"gap between frames median {statistics.median(gaps):.0f}, 99 % {gaps[int(0.99 * len(gaps))]:.0f}, ", end="")
    print(f"longest {gaps[-1]:.0f} ms")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    hours = parser.parse_args().hours
    address, server = serve(hours)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(address)
        short, long = Path(folder, "short.wav"), Path(folder, "long.wav")
        write_recording(short, 60)
        measure_short(page, short)
        write_recording(long, hours * 3600)
        measure_long(page, long, hours * 3600)
        browser.close()
    server.should_exit = True


if __name__ == "__main__":
    main()
