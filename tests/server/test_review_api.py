"""A review over the API is the review of ``flam.review``: questions, answers, undo, and what is kept."""

import pytest
from starlette.testclient import TestClient

from flam.detection.prompt_file import read_prompt_file
from flam.review import candidate_floor, read_labels, recording_hash
from flam.search import Archive
from flam.server.app import create_app
from flam.server.searching import ArchiveShelf


def begun(client, prompt="siren", **options):
    client.post("/v1/detect", json={"recording": {"demo": "street"}, "prompts": [prompt]})
    body = {"prompts": [prompt], "recordings": [{"demo": "street"}], **options}
    return client.post("/v1/reviews", json=body)


def test_answers_lead_to_a_threshold_and_a_prompts_file(client, tmp_path):
    state = begun(client).json()
    assert state["n_candidates"] >= 1
    asked = []
    while state["candidate"]:
        candidate = state["candidate"]
        assert "score" not in candidate
        asked.append(candidate)
        verdict = "right" if candidate["onset_s"] < 17 and candidate["offset_s"] > 8 else "wrong"
        state = client.post(f"/v1/reviews/{state['id']}/answer", json={"verdict": verdict}).json()
    assert state["is_finished"]
    assert state["n_answers"] == len(asked)
    path = tmp_path / "prompts.yaml"
    path.write_text(client.get(f"/v1/reviews/{state['id']}/prompts.yaml").text)
    [entry] = read_prompt_file(path).prompts
    assert entry.prompt == "siren"
    assert entry.threshold == pytest.approx(state["threshold"])
    assert entry.n == len(asked)
    labels = tmp_path / "labels.csv"
    labels.write_text(client.get(f"/v1/reviews/{state['id']}/labels.csv").text)
    assert len(read_labels(labels)) == len(asked)
    assert {label.recording for label in read_labels(labels)} == {"street.ogg"}


def test_undo_asks_the_same_again(client):
    state = begun(client).json()
    first = state["candidate"]
    shifted = {"verdict": "right", "onset_s": first["onset_s"] + 0.5, "offset_s": first["offset_s"] + 0.5}
    state = client.post(f"/v1/reviews/{state['id']}/answer", json=shifted).json()
    assert state["n_answers"] == 1
    text = client.get(f"/v1/reviews/{state['id']}/labels.csv").text
    assert f"{first['onset_s'] + 0.5}" in text
    state = client.post(f"/v1/reviews/{state['id']}/undo").json()
    assert state["candidate"] == first
    assert state["n_answers"] == 0
    assert client.get(f"/v1/reviews/{state['id']}").json() == state


def test_an_archive_is_reviewed_and_its_candidates_can_be_heard(archive, detector, make_service):
    app = create_app(make_service(), ArchiveShelf([archive], detector))
    floor = candidate_floor(detector.config)
    low = Archive(archive, detector).search(["siren"], threshold=floor, low_threshold=floor)
    with TestClient(app, base_url="http://localhost") as client:
        state = client.post("/v1/reviews", json={"prompts": ["siren"], "archives": ["demos"]}).json()
        assert 0 < state["n_candidates"] <= len(low)
        seen = set()
        while candidate := state["candidate"]:
            assert candidate["archive"] == "demos"
            assert candidate["recording_id"] is None
            seen.add((candidate["recording"], candidate["onset_s"]))
            where = {"recording": candidate["recording"], "start_s": candidate["onset_s"], "end_s": 60}
            assert client.get("/v1/archives/demos/clip.wav", params=where).status_code == 200
            state = client.post(f"/v1/reviews/{state['id']}/answer", json={"verdict": "right"}).json()
        assert seen <= {(span.recording.path, span.event.onset_s) for span in low}
        text = client.get(f"/v1/reviews/{state['id']}/labels.csv").text
        assert all(recording_hash(path) in text for path, _ in seen)
        missing = {"prompts": ["siren"], "archives": ["other"]}
        assert client.post("/v1/reviews", json=missing).status_code == 404
        assert client.post("/v1/reviews", json={"prompts": ["siren"]}).status_code == 400


def test_reviews_that_can_not_be_held_are_refused(client):
    assert begun(client, prompt="siren", precision=1.5).status_code == 422
    two = {"prompts": ["siren", "rain"], "recordings": [{"demo": "street"}]}
    assert client.post("/v1/reviews", json=two).status_code == 400
    assert client.get(f"/v1/reviews/{'0' * 32}").status_code == 404
