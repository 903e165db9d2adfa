"""The program as a process of its own, with a real model of random weights."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib import resources

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from flam.annotations import read_events
from flam.hub.card import ModelCard
from flam.model.checkpoint import save_checkpoint
from flam.model.convnet import ConvEncoderConfig
from flam.model.flam import FLAM, FLAMConfig
from flam.model.text import LightTextConfig

WORDS = ["?", "dog", "siren"]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    torch.manual_seed(0)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    audio = ConvEncoderConfig(
        stem_width=4, widths=(4, 6, 8), strides=((2, 2), (2, 2), (1, 2)), embed_dim=16, n_context_blocks=1, window_s=2.0
    )
    text = LightTextConfig(vocab_size=len(WORDS), embed_dim=16, n_blocks=1, mlp_dim=16)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    card = ModelCard(name="tiny", summary="random weights", licence="none needed", facts={"clips heard": "0"})
    save_checkpoint(FLAM(FLAMConfig(audio, text, joint_dim=16, hidden_dim=16), tokenizer), folder, card)
    return folder


@pytest.fixture
def demo():
    folder = resources.files("flam") / "assets" / "demo"
    return str(sorted(path for path in folder.iterdir() if path.name.endswith(".ogg"))[0])


def flam(*arguments, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "flam", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment, **options)


@pytest.mark.parametrize("verb", [[], ["detect"], ["models", "convert"]], ids=" ".join)
def test_help_is_quick_and_imports_nothing_heavy(verb):
    code = (
        "import sys; from flam.cli.main import main; code = main(sys.argv[1:]);"
        "heavy = {'torch', 'transformers', 'matplotlib', 'soundfile', 'huggingface_hub', 'numpy'} & sys.modules.keys();"
        "sys.exit(str(heavy) if heavy else code)"
    )
    before = os.times()
    subprocess.run([sys.executable, "-c", code, *verb, "--help"], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    cpu_s = after.children_user - before.children_user + after.children_system - before.children_system
    assert cpu_s < 1.5  # 0.2 s on an idle machine


def test_detects_in_a_process_of_its_own(model_folder, demo, tmp_path):
    find = ["-p", "dog", "--not", "siren", "--model", model_folder, "--score", "unbiased", "--threshold", "0.01"]
    done = flam("detect", demo, *find, "-o", "out.json", "--plot", "out.png", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "1 recording done" in done.stderr
    [found] = read_events(tmp_path / "out.json")
    assert found.duration_s > 1
    assert all(event.offset_s <= found.duration_s for event in found.events)
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    again = flam("detect", "--settings", "out.json.settings.yaml", "--format", "json", cwd=tmp_path)
    assert json.loads(again.stdout) == json.loads((tmp_path / "out.json").read_text())


@pytest.mark.skipif(os.name != "posix", reason="the signal of Ctrl-C is sent to one process only on POSIX")
@pytest.mark.timeout(1200)  # half a minute, and many times that on a machine with much else to do
def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(model_folder, demo, tmp_path):
    n_recordings = 30
    (tmp_path / "in").mkdir()
    for number in range(n_recordings):
        shutil.copy(demo, tmp_path / "in" / f"{number:02d}.ogg")
    # -q: on a machine that is busy, lines of progress would come between
    arguments = ["detect", "in", "-p", "dog", "--model", str(model_folder), "-o", "out/", "-q"]
    child = subprocess.Popen(
        [sys.executable, "-m", "flam", *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 240
    while not (tmp_path / "out" / "02.csv").exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=240)
    assert child.returncode == 130
    assert told.startswith("interrupted: ")
    assert told.count("\n") == 1
    n_done = len(list((tmp_path / "out").glob("*.csv")))
    assert 3 <= n_done < n_recordings
    assert not list((tmp_path / "out").rglob("*.part"))
    resumed = flam(*arguments, cwd=tmp_path)
    assert resumed.returncode == 0
    n_kept = int(re.search(r"\((\d+) of them earlier\)", resumed.stderr)[1])
    assert n_done - 1 <= n_kept <= n_done  # the last file may have been written, but not noted as finished
    assert len(list((tmp_path / "out").glob("*.csv"))) == n_recordings


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_full_stdout_is_told_in_one_line(model_folder, demo):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "flam", "detect", demo, "-p", "dog", "--model", str(model_folder), "-q"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=280)
    assert done.returncode == 1
    assert done.stderr == (
        "error: results can't be written (No space left on device); make space, or name a file with -o\n"
    )


def test_model_folder_is_described(run, model_folder):
    outcome = run("models", "info", model_folder)
    assert outcome.code == 0
    assert "licence: none needed\n" in outcome.out
    assert "clips heard: 0\n" in outcome.out


def test_models_are_listed(run):
    outcome = run("models", "list")
    assert outcome.code == 0
    assert "openflam" in outcome.out


def test_conversion_of_nothing_is_told(run, tmp_path):
    outcome = run("models", "convert", "none.pth", tmp_path / "out")
    assert outcome.code == 2
    assert outcome.err.startswith("error: none.pth")
    assert outcome.err.count("\n") == 1
