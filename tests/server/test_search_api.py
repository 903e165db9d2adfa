"""Search over the API is ``flam search``; hits play; archives and their files are all that can be reached."""

import io
import time

import pytest
import soundfile
from starlette.testclient import TestClient

from flam.core import ConfigError
from flam.search import Archive
from flam.server.app import create_app
from flam.server.config import ServerConfig
from flam.server.searching import ArchiveShelf
from flam.server.service import Service


@pytest.fixture(scope="session")
def searching(detector, archive):
    service = Service(detector, ServerConfig(), "flam-mini")
    app = create_app(service, ArchiveShelf([archive], detector))
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def test_hits_are_those_of_the_archive(searching, archive, detector):
    expected = Archive(archive, detector).search(["siren", "car horn"], ["rain"])
    body = {"prompts": ["siren", "car horn"], "suppress": ["rain"]}
    found = searching.post("/v1/search", json=body).json()
    assert found["n_found"] == len(expected) > 1
    assert [(hit["recording"], hit["onset_s"], hit["max_score"]) for hit in found["hits"]] == [
        (span.recording.path, span.event.onset_s, pytest.approx(span.event.max_score)) for span in expected
    ]
    [listed] = searching.get("/v1/archives").json()
    assert listed["name"] == "demos"
    assert listed["n_recordings"] == 3


@pytest.mark.slow
def test_then_and_an_example(searching):
    body = {"prompts": ["car horn"], "then": "speech", "within_s": 10}
    follows = searching.post("/v1/search", json=body).json()
    alone = searching.post("/v1/search", json={"prompts": ["car horn"]}).json()
    assert 0 < follows["n_found"] <= alone["n_found"]
    like = {"recording": {"demo": "street"}, "start_s": 8, "end_s": 16}
    hits = searching.post("/v1/search", json={"like": like}).json()["hits"]
    assert {hit["prompt"] for hit in hits} == {"like street.ogg"}
    assert any(hit["name"] == "street.ogg" and hit["onset_s"] < 16 and hit["offset_s"] > 8 for hit in hits)


def test_hits_play_and_open(searching):
    [hit, *_] = searching.post("/v1/search", json={"prompts": ["siren"]}).json()["hits"]
    where = {"recording": hit["recording"], "start_s": hit["onset_s"], "end_s": hit["onset_s"] + 2}
    clip = searching.get("/v1/archives/demos/clip.wav", params=where)
    samples, rate = soundfile.read(io.BytesIO(clip.content))
    assert len(samples) == 2 * rate
    body = {"archive": "demos", "recording": hit["recording"]}
    info = searching.post("/v1/archives/open", json=body).json()
    while info["state"] in ("waiting", "running"):
        time.sleep(0.05)
        info = searching.get(f"/v1/recordings/{info['id']}").json()
    assert info["name"] == hit["name"]


def test_what_no_archive_holds_is_refused(searching):
    where = {"recording": "/etc/passwd", "start_s": 0, "end_s": 1}
    assert searching.get("/v1/archives/demos/clip.wav", params=where).status_code == 404
    assert searching.get("/v1/archives/other/clip.wav", params=where).status_code == 404
    assert searching.post("/v1/search", json={"prompts": ["x"], "archives": [".."]}).status_code == 404
    assert searching.post("/v1/search", json={}).status_code == 400


def test_two_archives_need_two_names(archive, detector):
    with pytest.raises(ConfigError, match="rename"):
        ArchiveShelf([archive, archive], detector)
