"""The models of others that can be fetched by name: where each file lies, pinned, and under what licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from flam.hub.card import ModelCard

DEFAULT_MODEL = "flam-mini"
ModelKind = Literal["openflam", "clap"]
CLAP_FACTS = {"scale and bias": "10 and -8 for every text, where FLAM's training starts"}


@dataclass(frozen=True)
class RemoteFile:
    """One file of one commit of a repository on the Hugging Face hub.

    Parameters
    ----------
    repo_id, path : repository and file in it
    revision : full commit hash
    sha256 : of the content. None where we have not seen it published: then the content is checked against the hash
        that the hub gives for this commit, and what came is written down and checked from then on
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
    card : what to tell of it, and the name to ask for it by
    kind : how to convert it
    files : the first holds the weights
    size_mb : of the download, in units of 10^6 bytes
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
)
REGISTRY: Mapping[str, RemoteModel] = MappingProxyType({model.card.name: model for model in _MODELS})
