"""The browser example finds what the Python package finds, in a real browser.

Frames differ by the decoder and by WebAssembly's arithmetic: onsets and offsets agree within a frame (0.08 s), scores
within 0.01.
"""

import functools
import importlib.util
import json
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import flam

EXAMPLE = Path(__file__).parents[2] / "examples" / "browser"
RUNTIME = EXAMPLE / "node_modules" / "onnxruntime-web" / "dist"
CHROMIUM = shutil.which("chromium")
PROMPTS = ["siren", "dog barking", "car horn", "bicycle bell", "someone talking", "rain", "glass breaking"]
STREET = Path(flam.__file__).parent / "assets" / "demo" / "street.ogg"
MODEL = Path(flam.__file__).parent / "assets" / "models" / "flam-mini"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.skipif(not RUNTIME.exists(), reason="needs npm install in examples/browser"),
]


def load_build():
    spec = importlib.util.spec_from_file_location("build", EXAMPLE / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build


class Handler(SimpleHTTPRequestHandler):
    def guess_type(self, path):
        return "text/javascript" if str(path).endswith(".mjs") else super().guess_type(path)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    sync_api = pytest.importorskip("playwright.sync_api")
    site = tmp_path_factory.mktemp("site")
    load_build()(MODEL, RUNTIME, site)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page()
        page.set_default_timeout(240_000)
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        yield page
        browser.close()
    server.shutdown()


def test_events_are_those_of_the_package(page, tmp_path):
    page.fill("#prompts", "\n".join(PROMPTS))
    page.set_input_files("#file", str(STREET))
    page.wait_for_function("document.querySelector('#status').textContent.includes('heard in')")
    found = json.loads(page.evaluate("document.body.dataset.events"))
    page.screenshot(path=str(tmp_path / "browser.png"), full_page=True)

    detector = flam.load("flam-mini")
    config = detector.config
    rules = {name: getattr(config, name) for name in ("median_s", "min_duration_s", "merge_gap_s")}
    expected = detector.detect(STREET, PROMPTS, threshold=0.95, low_threshold=0.85 * 0.95, kinds={}, **rules)
    assert [event["prompt"] for event in found] == [event.prompt for event in expected]
    for event, reference in zip(found, expected, strict=True):
        assert abs(event["onset_s"] - reference.onset_s) <= 0.081, reference
        assert abs(event["offset_s"] - reference.offset_s) <= 0.081, reference
        assert abs(event["max"] - reference.max_score) <= 0.01, reference


def test_text_is_tokenised_as_in_the_package(page):
    from tokenizers import Tokenizer

    texts = [
        "Dog's barking!",
        "churches' bells",
        "café  über-alles",
        "hitting a can",
        "buses hissing",
        "日本 rain",
        "x" * 120,
    ]
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    script = """async (texts) => {
        const { WordPieces } = await import('./tokenizer.js');
        const file = await (await fetch('./model/tokenizer.json')).json();
        const pieces = new WordPieces(file);
        return texts.map((text) => pieces.encode(text));
    }"""
    assert page.evaluate(script, texts) == [tokenizer.encode(text).ids for text in texts]
