"""A server on a free port with the bundled model, and a browser that looks at it."""

import shutil
import socket
import threading
import time
from pathlib import Path

import pytest
import soundfile

import flam
from flam.audio import read_audio

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("uvicorn", reason="the extra serve is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@pytest.fixture(scope="session")
def detector():
    return flam.load()


@pytest.fixture
def make_service(detector, request):
    """Make a service with other limits; it is closed at the end of the test."""
    from flam.server.config import ServerConfig
    from flam.server.service import Service

    def make(**limits):
        service = Service(detector, ServerConfig(**limits), "flam-mini")
        request.addfinalizer(service.close)
        return service

    return make


@pytest.fixture(scope="session")
def client(detector):
    """A client of a server without token, at its own address; what it has analysed stays for the next test."""
    from starlette.testclient import TestClient

    from flam.server.app import create_app
    from flam.server.config import ServerConfig
    from flam.server.service import Service

    service = Service(detector, ServerConfig(), "flam-mini")
    with TestClient(create_app(service), base_url="http://localhost") as client:
        yield client


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """An archive of the three bundled recordings."""
    from flam.cli.main import main

    folder = tmp_path_factory.mktemp("archives")
    demos = Path(flam.__file__).parent / "assets" / "demo"
    assert main(["index", "build", str(demos), "-o", str(folder / "demos"), "-q"]) == 0
    return folder / "demos"


@pytest.fixture(scope="session")
def address(detector, archive):
    """A running server, as ``flam serve`` runs it."""
    import uvicorn

    from flam.detection.kinds import everyday_prompts
    from flam.server.app import create_app
    from flam.server.config import ServerConfig
    from flam.server.searching import ArchiveShelf
    from flam.server.service import Service

    presets = {"everyday": [{"prompt": prompt} for prompt in everyday_prompts()]}
    service = Service(detector, ServerConfig(), "flam-mini", presets=presets)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = create_app(service, ArchiveShelf([archive], detector))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", ws="websockets-sansio"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def microphone(tmp_path_factory):
    """What the browser's microphone hears, again and again: the siren of the street."""
    path = tmp_path_factory.mktemp("microphone") / "siren.wav"
    street = Path(flam.__file__).parent / "assets" / "demo" / "street.ogg"
    soundfile.write(path, read_audio(street, 48_000)[7 * 48_000 : 19 * 48_000], 48_000)
    return path


@pytest.fixture(scope="session")
def browser(microphone):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=[*FLAGS, f"--use-file-for-fake-audio-capture={microphone}"]
        )
        yield browser
        browser.close()


@pytest.fixture
def demo() -> Path:
    return Path(flam.__file__).parent / "assets" / "demo" / "street.ogg"
