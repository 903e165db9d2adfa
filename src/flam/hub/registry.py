"""The models of others that can be fetched by name: where each file lies, pinned, and under what licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from flam.hub.card import ModelCard

DEFAULT_MODEL = "flam-mini"
ModelKind = Literal["openflam", "clap", "pe-a-frame"]
CLAP_FACTS = {"scale and bias": "10 and -8 for every text, where FLAM's training starts"}


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
