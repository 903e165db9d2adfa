"""``flam library``: from a folder to a table with captions, over real processes and a real server."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
import soundfile

from flam.cli.main import main
from flam.core import output_lock
from flam.library.clip_table import read_library

RATE = 48_000


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "sounds"
    for number in range(4):
        path = root / "dogs" / f"dog_bark_0{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(number).normal(0, 0.1, RATE // 4), RATE)
    return root


@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"choices": [{"message": {"content": "a dog barking"}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_from_a_folder_to_captions(folder, server, tmp_path, capsys):
    table, captioned = tmp_path / "library.csv", tmp_path / "captioned.parquet"
    scan = ["library", "scan", str(folder), "-o", str(table), "--licence", "CC0", "--workers", "2"]
    assert main([*scan, "--label-from", "folder"]) == 0
    assert "4 of 4 clips can be drawn" in capsys.readouterr().err
    assert {c.label for c in read_library(table).clips} == {"dogs"}
    settings = tmp_path / "library.csv.settings.yaml"
    assert main(["library", "scan", str(folder), "-o", str(tmp_path / "again.csv"), "--config", str(settings)]) == 0
    assert (tmp_path / "again.csv").read_bytes() == table.read_bytes()
    assert main(["library", "caption", str(table), "-o", str(captioned)]) == 0
    assert {row.clip.caption for row in read_library(captioned).rows} == {"dog bark"}
    ask = ["library", "caption", str(table), "-o", str(captioned), "--endpoint", server, "--model", "m"]
    for where in ("1 answered, 0 from memory", "0 answered, 1 from memory"):
        assert main(ask) == 0
        assert where in capsys.readouterr().err
        assert {(r.clip.caption, r.caption_from) for r in read_library(captioned).rows} == {("a dog barking", "m")}
    assert main(["library", "show", str(captioned)]) == 0
    shown = capsys.readouterr().out
    assert "4 clips, 4 of which scenes can draw" in shown
    assert "CC0" in shown


def test_bad_files_are_listed_and_the_others_done(folder, tmp_path, capsys):
    (folder / "empty.wav").write_bytes(b"")
    (folder / "broken.flac").write_bytes(b"fLaC" + bytes(100))
    soundfile.write(folder / "silent.wav", np.zeros(RATE), RATE)
    table = tmp_path / "library.csv"
    assert main(["library", "scan", str(folder), "-o", str(table), "--workers", "1"]) == 1
    told = capsys.readouterr().err
    assert f"error: {folder / 'empty.wav'}: empty, 0 bytes" in told
    assert f"error: {folder / 'broken.flac'}: damaged" in told
    assert f"error: {folder / 'silent.wav'}: silent" in told
    assert "4 of 7 clips can be drawn" in told


def test_clips_that_no_scene_draws_are_counted_with_their_reasons(folder, tmp_path, capsys):
    for name in ("sea", "street"):
        soundfile.write(folder / f"{name}.wav", np.random.default_rng(0).normal(0, 0.1, 11 * 8_000), 8_000)
    table = tmp_path / "library.csv"
    assert main(["library", "scan", str(folder), "-o", str(table), "--workers", "0"]) == 0
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "note: 2 clips are of kind other, which no scene draws: neither said to be background nor shorter than 10 s; "
        "say their kind in a manifest, or more in --config",
        f"4 of 6 clips can be drawn: {table}",
    ]


def test_a_caption_is_not_begun_where_it_can_not_be_written(folder, tmp_path, capsys, monkeypatch):
    table = tmp_path / "library.csv"
    assert main(["library", "scan", str(folder), "-o", str(table), "--workers", "0"]) == 0
    monkeypatch.setattr("flam.scenes.captions.clips.caption_library", lambda *_, **__: pytest.fail("has begun"))
    assert main(["library", "caption", str(table), "-o", str(tmp_path / "nowhere" / "t.csv")]) == 2
    assert "nowhere does not exist" in capsys.readouterr().err
    with output_lock(tmp_path / "t.csv"):
        assert main(["library", "caption", str(table), "-o", str(tmp_path / "t.csv")]) == 1
    assert f"process {os.getpid()} writes there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["scan", "-o", "t.csv"], "nothing to scan"),
        (["scan", "nowhere", "-o", "t.csv"], "no such file or folder"),
        (["scan", ".", "-o", "t.txt"], "ends in .csv or .parquet"),
        (["scan", ".", "-o", "t.csv", "--workers", "-1"], "must be 0 or more"),
        (["caption", "nothing.csv", "-o", "t.csv"], "can't be read"),
        (["show", "nothing.parquet"], "can't be read"),
    ],
)
def test_what_can_not_be_done_is_told(arguments, problem, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["library", *arguments]) == 2
    assert problem in capsys.readouterr().err


def test_endpoint_and_model_belong_together(folder, tmp_path, capsys):
    table = tmp_path / "t.csv"
    main(["library", "scan", str(folder), "-o", str(table), "--workers", "1"])
    assert main(["library", "caption", str(table), "-o", str(table), "--model", "m"]) == 2
    assert "give both" in capsys.readouterr().err
    gone = ["--endpoint", "http://127.0.0.1:9", "--model", "m"]
    config = tmp_path / "endpoint.yaml"
    config.write_text("url: http://127.0.0.1:9\nmodel: m\nattempts: 1\n")
    assert main(["library", "caption", str(table), "-o", str(table), "--config", str(config), *gone]) == 2
    assert main(["library", "caption", str(table), "-o", str(table), "--config", str(config)]) == 1
    told = capsys.readouterr().err
    assert "4 by rule" in told
    assert "1 without any" in told


@pytest.mark.skipif(os.name != "posix", reason="the signal of Ctrl-C is sent to one process group only on POSIX")
@pytest.mark.slow
def test_ctrl_c_ends_all_processes_and_the_next_scan_goes_on(folder, tmp_path):
    for number in range(500):
        (folder / f"copy_{number}x.wav").write_bytes((folder / "dogs" / "dog_bark_00.wav").read_bytes())
    table, partial = tmp_path / "library.csv", tmp_path / "library.csv.partial"
    command = [sys.executable, "-m", "flam", "library", "scan", str(folder), "-o", str(table), "--workers", "2", "-q"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (partial.exists() and partial.read_bytes().count(b"\n") > 20) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, "interrupted\n")
    n_kept = partial.read_bytes().count(b"\n") - 1
    assert 20 <= n_kept < 504
    assert not table.exists()
    assert main(["library", "scan", str(folder), "-o", str(table), "--workers", "1"]) == 0
    assert len(read_library(table).rows) == 504
