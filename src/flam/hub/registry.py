"""Models of others by name: where each file lies, pinned, under what licence; and fetching one, resumed and checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from flam.core import ModelError, file_sha256
from flam.hub.card import ModelCard

DEFAULT_MODEL = "flam-mini"
ModelKind = Literal["openflam", "clap", "pe-a-frame"]
CLAP_FACTS = {"scale and bias": "10 and -8 for every text, where FLAM's training starts"}
BLOCK_BYTES = 1 << 20
TIMEOUT_S = 30.0

DownloadProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class RemoteFile:
    """One file of one commit of a repository on the Hugging Face hub.

    Parameters
    ----------
    repo_id, path : str
        repository and file in it
    revision : str
        full commit hash
    sha256 : str | None, optional
        of the content. None where we have not seen it published: then the content is checked against the hash that the
        hub gives for this commit, and what came is written down and checked from then on
    """

    repo_id: str
    revision: str
    path: str
    sha256: str | None = None


@dataclass(frozen=True)
class RemoteModel:
    """A model to fetch and convert.

    Parameters
    ----------
    card : ModelCard
        what to tell of it, and the name to ask for it by
    kind : ModelKind
        how to convert it
    files : tuple[RemoteFile, ...]
        the first holds the weights
    size_mb : int
        of the download, in units of 10^6 bytes
    """

    card: ModelCard
    kind: ModelKind
    files: tuple[RemoteFile, ...]
    size_mb: int


def _clap(name: str, repo_id: str, revision: str, sha256: str | None, size_mb: int, summary: str) -> RemoteModel:
    return RemoteModel(
        ModelCard(name, summary, "Apache-2.0", f"https://huggingface.co/{repo_id}", CLAP_FACTS),
        "clap",
        (
            RemoteFile(repo_id, revision, "pytorch_model.bin", sha256),
            RemoteFile(repo_id, revision, "config.json"),
            RemoteFile(repo_id, revision, "tokenizer.json"),
        ),
        size_mb,
    )


def _pe_a_frame(
    size: str, revision: str, weights_sha256: str | None, tokenizer_sha256: str | None, size_mb: int, parameters: str
) -> RemoteModel:
    repo_id = f"facebook/pe-a-frame-{size}"
    return RemoteModel(
        ModelCard(
            f"pe-a-frame-{size}",
            f"Meta's frame model with {parameters} parameters, 10 s windows, 25 frames a second",
            "Apache-2.0",
            f"https://huggingface.co/{repo_id}",
            {"scale and bias": "one for all texts", "paper": "https://arxiv.org/abs/2512.19687"},
        ),
        "pe-a-frame",
        (
            RemoteFile(repo_id, revision, "model.safetensors", weights_sha256),
            RemoteFile(repo_id, revision, "config.json"),
            RemoteFile(repo_id, revision, "tokenizer.json", tokenizer_sha256),
        ),
        size_mb,
    )


_MODELS = (
    RemoteModel(
        ModelCard(
            name="openflam",
            summary="The authors' own FLAM: HTS-AT base and RoBERTa, 10 s windows, 3.2 frames a second",
            licence="non-commercial; read it before use",
            source="https://huggingface.co/kechenadobe/OpenFLAM",
        ),
        "openflam",
        (
            RemoteFile(
                "kechenadobe/OpenFLAM",
                "7686042aa5cdb5e6ec39f42aa2fe6da2315b3ecd",
                "open_flam_oct17.pth",
                "0f7329b67ad6c3b3a31d5bbb30e91c74dcf7b9007f78d9d7af0bcc643bed1054",
            ),
            RemoteFile("FacebookAI/roberta-base", "b5156dede23fffd81ba11bd9c329c0b503e5124d", "tokenizer.json"),
        ),
        size_mb=789,
    ),
    _clap(
        "clap-htsat-unfused",
        "laion/clap-htsat-unfused",
        "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a",
        None,
        617,
        "CLAP with HTS-AT tiny, never trained to tell frames apart; 10 s windows, 3.2 frames a second",
    ),
    _clap(
        "larger-clap-general",
        "laion/larger_clap_general",
        "ada0c23a36c4e8582805bb38fec3905903f18b41",
        "314eb00cce6ad68d25237b8446b659ccdb136ed4672c1bca470f142f72455026",
        779,
        "CLAP with HTS-AT base, never trained to tell frames apart; 10 s windows, 3.2 frames a second",
    ),
    _pe_a_frame(
        "small",
        "e5fc71c1f0be50279f52f292390b589780079e13",
        "00ead719f02ef703ee1b55d6aee801074195d7d507a69622cda67ee4c484ed81",
        None,
        1762,
        "450 million",
    ),
    _pe_a_frame("base", "0a320953632f45113021e4bc8a0eda74f0024a74", None, None, 2240, "560 million"),
    _pe_a_frame(
        "large",
        "40187271298f84e2966d4518c88dde698540c9ad",
        "cb1b7d596f1765e6fe21707f7c78989b06e08bc5692ffa88868ad266cce65660",
        "9fd55248d51d33976b324fc11592e28071da7d41e0e9401dfb7082e30574b7b1",
        5600,
        "1.4 billion",
    ),
)
REGISTRY: Mapping[str, RemoteModel] = MappingProxyType({model.card.name: model for model in _MODELS})


def fetch(file: RemoteFile, folder: Path, progress: DownloadProgress | None = None) -> str:
    """Download a file into a folder and check it; what an earlier call left there is continued.

    Parameters
    ----------
    file : RemoteFile
        what to fetch
    folder : Path
        where it is put, under its own name
    progress : DownloadProgress | None, optional
        called with the file's path in the repository, the bytes that are here, and the bytes it has in all

    Returns
    -------
    str
        SHA-256 of the content, in hexadecimal

    Raises
    ------
    ModelError
        no connection, no such file, or the content is not what the hash says (it is deleted then)
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    source = f"{file.repo_id}/{file.path}"
    path = folder / file.path
    try:
        published = get_hf_file_metadata(hf_hub_url(file.repo_id, file.path, revision=file.revision))
        if published.size is None:
            raise ValueError("the hub does not say how large it is")
        if not path.exists():
            part = path.with_name(f"{path.name}.part")
            for here in _receive(published.location, part, published.size):
                if progress is not None:
                    progress(file.path, here, published.size)
            os.replace(part, path)
    except Exception as error:  # the hub's client lets through whatever its transport raises, which differs by version
        reason = str(error).strip().split("\n")[0]
        raise ModelError(
            f"{source}: can't be downloaded ({reason}); connect to the internet and run again, or copy a model folder "
            "from another computer and give its path"
        ) from error
    sha256 = file_sha256(path)
    expected = published.etag if file.sha256 is None else file.sha256
    if expected not in (sha256, _git_blob_sha1(path)):
        path.unlink()
        raise ModelError(f"{source}: content has SHA-256 {sha256}, expected {expected}; it was deleted, run again")
    return sha256


def _receive(url: str, part: Path, n_bytes: int) -> Iterator[int]:
    """Bring ``part`` to ``n_bytes``, telling its size from time to time.

    The hub's own client starts from nothing in every new process (huggingface_hub pull request 4228).
    """
    import urllib.request  # takes as long as loading a small model

    here = part.stat().st_size if part.exists() else 0
    if here > n_bytes:
        part.unlink()
        here = 0
    request = urllib.request.Request(url, headers={"User-Agent": "flam-audio", "Range": f"bytes={here}-"})
    if here != n_bytes:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer, open(part, "ab") as file:
            if answer.status != 206:  # all of it, not the range
                file.truncate(0)
                here = 0
            while block := answer.read(BLOCK_BYTES):
                file.write(block)
                here += len(block)
                yield here
    if here != n_bytes:
        raise ConnectionError(f"broke off after {here} of {n_bytes} bytes")


def _git_blob_sha1(path: Path) -> str:
    """The hash by which git, and so the hub, knows a file that is too small for large file storage."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
