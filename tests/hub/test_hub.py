"""Names to folders: what is fetched is checked, resumed, converted once, and checked again on every use.

A server on this computer plays the hub, so that the real client runs.
"""

import dataclasses
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from flam.core import ModelError
from flam.hub import hub
from flam.hub.card import ModelCard
from flam.hub.hub import list_models, model_info, resolve
from flam.hub.registry import REGISTRY, RemoteFile, RemoteModel
from flam.model.checkpoint import load_checkpoint, save_checkpoint
from flam.model.convnet import ConvEncoderConfig
from flam.model.flam import FLAM, FLAMConfig
from flam.model.text import LightTextConfig

pytestmark = pytest.mark.usefixtures("exported")

REVISION = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = "pytorch_model.bin"
CARD = ModelCard("small-clap", "a small CLAP", "Apache-2.0", "https://example.org/licence", {"heads": "constant"})


class FakeHub:
    """Files by name; each request is noted; an answer can be cut off after some bytes."""

    def __init__(self, files: dict[str, bytes]):
        self.files = files
        self.requests: list[tuple[str, str, str | None]] = []
        self.published: dict[str, bytes] = {}  # what hashes are of, where it isn't what is sent
        self.cut_off_after: int | None = None
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                self.answer(with_body=False)

            def do_GET(self):
                self.answer(with_body=True)

            def answer(self, with_body: bool):
                name = self.path.split("?")[0].rsplit("/", 1)[1]
                fake.requests.append((self.command, name, self.headers.get("Range")))
                if f"/resolve/{REVISION}/" not in self.path or name not in fake.files:
                    self.send_response(404)
                    self.send_header("X-Error-Code", "EntryNotFound")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                content = fake.files[name]
                start = 0
                if with_body and self.headers.get("Range"):
                    start = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(content) - start))
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                self.send_header("X-Repo-Commit", REVISION)
                self.send_header("ETag", f'"{fake.etag(name)}"')
                self.end_headers()
                if with_body:
                    end = len(content) if fake.cut_off_after is None else start + fake.cut_off_after
                    self.wfile.write(content[start:end])
                    if end < len(content):
                        self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def etag(self, name: str) -> str:
        """As the hub does: SHA-256 of large files, git's hash of small ones."""
        content = self.published.get(name, self.files[name])
        if name == WEIGHTS:
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def tamper(self, name: str) -> None:
        """Serve other bytes of the same length under the old hash."""
        self.published = {name: self.files[name]}
        self.files = self.files | {name: self.files[name][:-1] + b"?"}


@pytest.fixture(scope="module")
def clap_files(tmp_path_factory) -> dict[str, bytes]:
    """The files of a small CLAP."""
    from tokenizers import Tokenizer, models, processors

    transformers = pytest.importorskip("transformers")

    folder = tmp_path_factory.mktemp("clap")
    torch.manual_seed(0)
    text = {"vocab_size": 4, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    audio = {"patch_embeds_hidden_size": 4, "hidden_size": 32, "depths": [1, 1, 1, 1], "num_attention_heads": [1] * 4}
    config = transformers.ClapConfig(
        text_config=text | {"intermediate_size": 8, "max_position_embeddings": 90},
        audio_config=audio,
        projection_dim=8,
    )
    model = transformers.ClapModel(config)
    config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / WEIGHTS)
    tokenizer = Tokenizer(models.WordLevel({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}, unk_token="<unk>"))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.save(str(folder / "tokenizer.json"))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def fake_hub(clap_files, monkeypatch, tmp_path):
    """A hub that holds one model, "small-clap", and an empty cache."""
    fake = FakeHub(clap_files)
    endpoint = f"http://127.0.0.1:{fake.server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("FLAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "REGISTRY", {"small-clap": remote_model(hashlib.sha256(clap_files[WEIGHTS]).hexdigest())})
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


def remote_model(sha256: str | None) -> RemoteModel:
    names = (WEIGHTS, "config.json", "tokenizer.json")
    files = tuple(RemoteFile("some/clap", REVISION, name, sha256 if name == WEIGHTS else None) for name in names)
    return RemoteModel(CARD, "clap", files, 1)


def test_fetches_converts_and_afterwards_needs_no_hub(fake_hub, tmp_path):
    lines = []
    folder = resolve("small-clap", notify=lines.append)
    checkpoint = load_checkpoint(folder)
    assert checkpoint.model.embed_text(["dog"]).text_features.shape == (1, 8)
    assert checkpoint.card == CARD
    assert lines == [
        "small-clap: fetching 1 MB; licence of the weights: Apache-2.0 (https://example.org/licence)",
    ]
    fake_hub.requests.clear()
    assert resolve("small-clap", notify=lines.append) == folder
    assert len(lines) == 1
    assert fake_hub.requests == []
    assert folder.is_relative_to(tmp_path / "cache")
    left = {path.name for path in folder.parent.iterdir() if not path.name.startswith(".")}
    assert left == {"small-clap", "small-clap.lock.json"}, "the originals need not stay"


def test_lock_names_where_every_file_came_from(fake_hub, clap_files):
    folder = resolve("small-clap")
    lock = json.loads((folder.parent / "small-clap.lock.json").read_text())
    assert [file["path"] for file in lock["source"]] == [WEIGHTS, "config.json", "tokenizer.json"]
    for file in lock["source"]:
        assert file["revision"] == REVISION
        assert file["sha256"] == hashlib.sha256(clap_files[file["path"]]).hexdigest()


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "tokenizer.json"])
@pytest.mark.parametrize("hash_known", [True, False])
def test_other_bytes_than_the_hash_says_are_refused(fake_hub, clap_files, monkeypatch, name, hash_known):
    if not hash_known:
        monkeypatch.setattr(hub, "REGISTRY", {"small-clap": remote_model(None)})
    fake_hub.tamper(name)
    with pytest.raises(ModelError, match="expected"):
        resolve("small-clap")
    assert model_info("small-clap").where == "remote"
    fake_hub.files = clap_files
    assert load_checkpoint(resolve("small-clap")).card.name == "small-clap"


def test_hub_that_changed_its_hash_with_the_file_is_refused_where_we_know_it(fake_hub):
    fake_hub.files = fake_hub.files | {WEIGHTS: fake_hub.files[WEIGHTS][:-1] + b"?"}
    with pytest.raises(ModelError, match="expected"):
        resolve("small-clap")


def test_interrupted_download_resumes_and_leaves_no_half_model(fake_hub, clap_files):
    fake_hub.cut_off_after = 20_000
    for already in (20_000, 40_000):
        with pytest.raises(ModelError, match=f"broke off after {already} of"):
            resolve("small-clap")
        assert model_info("small-clap").where == "remote"
    fake_hub.cut_off_after = None
    fake_hub.requests.clear()
    steps = []
    assert load_checkpoint(resolve("small-clap", progress=lambda *step: steps.append(step))).card.name == "small-clap"
    assert ("GET", WEIGHTS, "bytes=40000-") in fake_hub.requests
    n_bytes = len(clap_files[WEIGHTS])
    assert (WEIGHTS, n_bytes, n_bytes) in steps


def test_rest_of_another_file_is_not_taken_for_a_part(fake_hub, clap_files, tmp_path):
    parts = tmp_path / "cache" / "models" / "small-clap.download"
    parts.mkdir(parents=True)
    for rest in (b"x" * 5_000, b"x" * (len(clap_files[WEIGHTS]) + 1)):
        (parts / f"{WEIGHTS}.part").write_bytes(rest)
        if len(rest) == 5_000:
            with pytest.raises(ModelError, match="run again"):
                resolve("small-clap")
    assert load_checkpoint(resolve("small-clap")).card.name == "small-clap"


def test_crash_between_conversion_and_lock_leaves_no_half_model(fake_hub, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(hub, "file_sha256", killed)
        with pytest.raises(KeyboardInterrupt):
            resolve("small-clap")
    assert model_info("small-clap").where == "remote"
    assert load_checkpoint(resolve("small-clap")).card.name == "small-clap"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_change_in_the_cache_is_noticed(fake_hub, name):
    folder = resolve("small-clap")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-2] + b"?" + content[-1:])
    with pytest.raises(ModelError, match="changed since it was downloaded"):
        resolve("small-clap")


def test_new_pin_fetches_anew(fake_hub, monkeypatch):
    resolve("small-clap")
    known = remote_model(None)
    moved = dataclasses.replace(known, files=(dataclasses.replace(known.files[0], revision="f" * 40), *known.files[1:]))
    monkeypatch.setattr(hub, "REGISTRY", {"small-clap": moved})
    with pytest.raises(ModelError, match="can't be downloaded"):
        resolve("small-clap")


def test_without_connection_or_permission(fake_hub):
    with pytest.raises(ModelError, match="flam models download small-clap"):
        resolve("small-clap", download=False)
    assert fake_hub.requests == []
    fake_hub.server.shutdown()
    fake_hub.server.server_close()
    with pytest.raises(ModelError, match="connect to the internet"):
        resolve("small-clap")


def test_file_that_the_hub_does_not_hold(fake_hub):
    fake_hub.files = {WEIGHTS: fake_hub.files[WEIGHTS]}
    with pytest.raises(ModelError, match=r"config.json: can't be downloaded"):
        resolve("small-clap")


def test_listing_says_where_each_model_is(fake_hub):
    assert [(info.where, info.card.licence) for info in list_models() if info.name == "small-clap"] == [
        ("remote", "Apache-2.0")
    ]
    folder = resolve("small-clap")
    info = model_info("small-clap")
    assert (info.where, info.folder, info.card) == ("downloaded", folder, CARD)


def test_folder_is_its_own_answer(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert resolve(tmp_path) == tmp_path
    assert resolve(str(tmp_path)) == tmp_path


def test_bundled_model_is_found_by_name(tmp_path, monkeypatch):
    audio = ConvEncoderConfig(stem_width=4, widths=(4, 4, 8), strides=((2, 2), (2, 2), (1, 2)), embed_dim=16)
    model = FLAM(FLAMConfig(audio, LightTextConfig(vocab_size=17, embed_dim=16, mlp_dim=32), 24, 20))
    folder = tmp_path / "assets" / "models" / "flam-pocket"
    card = ModelCard("flam-pocket", "fits a pocket", "Apache-2.0", "here", {"size": "small"})
    save_checkpoint(model, folder, card)
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)
    assert resolve("flam-pocket", download=False) == folder
    info = model_info("flam-pocket")
    assert (info.where, info.card) == ("bundled", card)
    assert list_models()[0] == info
    assert (model_info(folder).where, model_info(folder).card) == ("folder", card)


def test_unknown_name_lists_what_is_known():
    with pytest.raises(ModelError, match=r"did you mean 'openflam'\?.*larger-clap-general"):
        resolve("open-flam")
    with pytest.raises(ModelError, match=r"no model 'xyzzy'; give the path"):
        resolve("xyzzy")
    with pytest.raises(ModelError, match="xyzzy"):
        model_info("xyzzy")


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_registry_pins_everything_to_a_commit(name):
    model = REGISTRY[name]
    assert model.card.licence
    assert any(file.path == "tokenizer.json" for file in model.files)
    for file in model.files:
        assert len(bytes.fromhex(file.revision)) == 20
        assert file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"FLAM_CACHE": "/one", "XDG_CACHE_HOME": "/two"}, "/one"),
        ({"XDG_CACHE_HOME": "/two"}, "/two/flam"),
    ],
)
def test_cache_folder_follows_the_environment(environment, expected, monkeypatch):
    for name in ("FLAM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert hub.cache_folder().as_posix() == expected
