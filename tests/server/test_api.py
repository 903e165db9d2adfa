"""The API finds what the command line finds, serves parts of recordings, and keeps nothing it should not."""

import io
import json
import time

import numpy as np
import pytest
import soundfile

from flam.annotations import FORMATS
from flam.audio import read_audio
from flam.cli.main import main

PROMPTS = ["siren", "car horn", "dog barking"]


def opened(client, demo="street", wait=True):
    info = client.post("/v1/recordings/open", json={"demo": demo}).json()
    return ready(client, info) if wait else info


def ready(client, info):
    while info["state"] in ("waiting", "running"):
        time.sleep(0.05)
        info = client.get(f"/v1/recordings/{info['id']}").json()
    return info


def wav(waveform, sample_rate=48_000):
    file = io.BytesIO()
    soundfile.write(file, waveform, sample_rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def test_events_equal_those_of_the_command_line(client, demo, capsys):
    arguments = [part for prompt in PROMPTS for part in ("-p", prompt)]
    assert main(["detect", str(demo), *arguments, "--not", "church bells", "--format", "json", "-q"]) == 0
    [expected] = json.loads(capsys.readouterr().out)
    request = {"recording": {"demo": "street"}, "prompts": PROMPTS, "suppress": ["church bells"]}
    by_name = client.post("/v1/detect", json=request).json()
    query = {"prompt": PROMPTS, "suppress": "church bells", "name": "street.ogg"}
    sent = client.post("/v1/detect/file", params=query, content=demo.read_bytes()).json()
    for found in (by_name, sent):
        assert found["duration_s"] == expected["duration_s"]
        assert len(found["events"]) == len(expected["events"]) > 2
        for event, right in zip(found["events"], expected["events"], strict=True):
            assert event["prompt"] == right["prompt"]
            assert [event["onset_s"], event["offset_s"]] == pytest.approx([right["onset_s"], right["offset_s"]])
            assert event["max_score"] == pytest.approx(right["max_score"], abs=1e-5)


def test_threshold_and_rules_are_those_of_detect(client, detector, demo):
    info = opened(client)
    for threshold in (0.6, 0.9, 0.9999):
        expected = detector.detect(demo, ["siren"], threshold=threshold)
        body = {"prompts": ["siren"], "rules": {"siren": {"threshold": threshold}}}
        found = client.post(f"/v1/recordings/{info['id']}/events", json=body).json()
        assert found["rules"]["siren"]["threshold"] == threshold
        assert [(event["onset_s"], event["offset_s"]) for event in found["events"]] == [
            (event.onset_s, event.offset_s) for event in expected
        ]


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_export_is_what_detect_writes(client, demo, tmp_path, monkeypatch, format):
    piece = wav(read_audio(demo, 48_000)[7 * 48_000 : 12 * 48_000])
    (tmp_path / "street.wav").write_bytes(piece)
    monkeypatch.chdir(tmp_path)
    target = tmp_path / f"events{FORMATS[format].suffix}"
    assert main(["detect", "street.wav", "-p", "siren", "--format", format, "-o", str(target), "-q"]) == 0
    info = ready(client, client.post("/v1/recordings", params={"name": "street.wav"}, content=piece).json())
    answer = client.post(f"/v1/recordings/{info['id']}/export", json={"prompts": ["siren"], "format": format})
    assert answer.status_code == 200
    if format not in ("jams", "label-studio"):  # they hold the time of writing, or ids made up while writing
        assert answer.text == target.read_text(encoding="utf-8")
    assert f"street{FORMATS[format].suffix}" in answer.headers["content-disposition"]


def test_heat_map_holds_the_highest_score_of_each_cell(client, detector, demo):
    info = opened(client)
    scores = detector.score(demo, ["siren", "rain"]).scores
    for level in (0, 3):
        body = {"prompts": ["siren", "rain"], "level": level, "tile": 0}
        answer = client.post(f"/v1/recordings/{info['id']}/heatmap", json=body)
        cells = np.frombuffer(answer.content, np.uint8).reshape(2, int(answer.headers["x-columns"]))
        cell_scores = 1 / (1 + np.exp(-8 * (cells / 127.5 - 1)))
        highest = np.maximum.reduceat(scores, np.arange(0, len(scores), 2**level), axis=0)[:256]
        assert pytest.approx(highest, abs=0.02) == cell_scores.T


def test_wav_ranges_put_together_are_the_recording(client):
    rng = np.random.default_rng(0)
    waveform = (0.1 * rng.standard_normal(30_000)).astype(np.float32)
    info = client.post("/v1/recordings", params={"name": "a.wav"}, content=wav(waveform, 16_000)).json()
    while info["state"] != "ready":
        info = client.get(f"/v1/recordings/{info['id']}").json()
    url = f"/v1/recordings/{info['id']}/audio.wav"
    whole = client.get(url)
    samples, rate = soundfile.read(io.BytesIO(whole.content))
    assert rate == 16_000
    assert samples == pytest.approx(waveform, abs=1e-4)
    parts = []
    for first in range(0, len(whole.content), 7_777):
        part = client.get(url, headers={"range": f"bytes={first}-{first + 7_776}"})
        assert part.status_code == 206
        parts.append(part.content)
    assert b"".join(parts) == whole.content
    assert client.get(url, headers={"range": "bytes=99999999-"}).status_code == 416


def test_tiles_show_where_a_tone_sounds(client):
    time_s = np.arange(4 * 16_000) / 16_000
    tone = np.where((time_s >= 1) & (time_s < 2), 0.5 * np.sin(2 * np.pi * 1000 * time_s), 0)
    info = client.post("/v1/recordings", content=wav(tone, 16_000)).json()
    while info["state"] != "ready":
        info = client.get(f"/v1/recordings/{info['id']}").json()
    columns = np.frombuffer(client.get(f"/v1/recordings/{info['id']}/spectrogram/0/0").content, np.uint8)
    columns = columns.reshape(-1, info["n_rows"])
    loud = np.flatnonzero(columns.max(axis=1) > 200) * info["column_s"]
    assert loud[0] == pytest.approx(1, abs=0.05)
    assert loud[-1] == pytest.approx(2, abs=0.05)
    row = columns[int(1.5 / info["column_s"])].argmax()
    edges = info["row_edges_hz"]
    assert edges[row] - 40 <= 1000 <= edges[row + 1] + 40
    peaks = np.frombuffer(client.get(f"/v1/recordings/{info['id']}/peaks/2/0").content, np.int8).reshape(-1, 2)
    at = int(1.5 / info["peak_s"]) // 4
    assert peaks[at].tolist() == [-64, 64]
    assert peaks[-1].tolist() == [0, 0]


def test_tiles_of_a_recording_that_grows_meanwhile(client, monkeypatch):
    info = opened(client)
    peaks = client.app.state.service.store.get(info["id"]).peaks
    read, n_rows = peaks.read, [100]

    def growing(start, stop):
        n_rows[0] += 50
        return read(start, min(stop, n_rows[0]))

    monkeypatch.setattr(peaks, "read", growing)
    for level in (0, 1, 5):
        answer = client.get(f"/v1/recordings/{info['id']}/peaks/{level}/0")
        assert answer.status_code == 200
        assert len(answer.content) % 2 == 0


def test_progress_ends_with_the_whole_recording(client):
    info = opened(client, wait=False)
    with client.stream("GET", f"/v1/recordings/{info['id']}/progress") as stream:
        states = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert states[-1]["state"] == "ready"
    assert states[-1]["analysed_s"] == pytest.approx(32, abs=0.01)


def test_an_upload_is_removed_with_everything_made_from_it(client):
    store = client.app.state.service.store
    waveform = np.zeros(48_000)
    before = set(store.folder.rglob("*"))
    client.post("/v1/detect/file", params={"prompt": "rain"}, content=wav(waveform))
    assert set(store.folder.rglob("*")) == before
    info = client.post("/v1/recordings", content=wav(waveform)).json()
    assert client.delete(f"/v1/recordings/{info['id']}").status_code == 204
    assert client.get(f"/v1/recordings/{info['id']}").status_code == 404
    assert set(store.folder.rglob("*")) == before


def test_cancelling_ends_the_analysis(client):
    service = client.app.state.service
    waveform = 0.1 * np.random.default_rng(0).standard_normal(300 * 8_000)
    info = client.post("/v1/recordings", content=wav(waveform, 8_000)).json()
    recording = service.store.get(info["id"])
    client.delete(f"/v1/recordings/{info['id']}")
    while not recording.is_finished:
        time.sleep(0.02)
    assert recording.state == "cancelled"
    assert recording.analysed_s < 300


def test_everything_goes_when_the_server_stops(make_service, demo):
    from starlette.testclient import TestClient

    from flam.server.app import create_app

    service = make_service()
    with TestClient(create_app(service), base_url="http://localhost") as client:
        client.post("/v1/recordings", content=demo.read_bytes())
        assert service.store.folder.is_dir()
    assert not service.store.folder.exists()


def test_count_embed_models_metrics(client, detector):
    counts = client.post("/v1/count", json={"recording": {"demo": "street"}, "prompts": ["siren", "goat"]}).json()
    assert counts[0]["n_events"] == 1
    assert counts[0]["total_s"] == pytest.approx(8.96, abs=0.5)
    assert counts[1] == {"prompt": "goat", "n_events": 0, "total_s": 0}
    texts = client.post("/v1/embed/text", json={"texts": ["siren"]}).json()
    assert texts["features"][0] == pytest.approx(np.asarray(detector.embed_text(["siren"]).text_features)[0].tolist())
    frames = client.post("/v1/embed/audio", json={"recording": {"demo": "street"}}).json()
    assert np.shape(frames["features"]) == (400, 256)
    assert any(model["is_loaded"] for model in client.get("/v1/models").json())
    text = client.get("/metrics").text
    assert 'flam_analyses_total{outcome="ready"}' in text
    assert client.get("/v1/openapi.json").json()["info"]["title"] == "FLAM"


def test_paths_are_read_only_under_a_root(make_service, demo, tmp_path):
    from starlette.testclient import TestClient

    from flam.server.app import create_app

    (tmp_path / "secret.wav").write_bytes(wav(np.zeros(100)))
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.ogg").write_bytes(demo.read_bytes())
    (root / "link.wav").symlink_to(tmp_path / "secret.wav")
    with TestClient(create_app(make_service(roots=(root,))), base_url="http://localhost") as client:
        assert client.post("/v1/recordings/open", json={"path": "a.ogg"}).status_code == 200
        assert client.post("/v1/recordings/open", json={"path": str(root / "a.ogg")}).status_code == 200
        for path in ("../secret.wav", str(tmp_path / "secret.wav"), "link.wav", "/etc/passwd", ".", "x" * 4000):
            answer = client.post("/v1/recordings/open", json={"path": path})
            assert answer.status_code == 403, path
            assert "secret" not in answer.text
