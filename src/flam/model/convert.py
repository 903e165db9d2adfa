"""Models of others, written as checkpoints of this package."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from tokenizers import Tokenizer

from flam.core import ModelError, parse_json
from flam.hub.card import FORMAT, ModelCard
from flam.hub.registry import CLAP_FACTS, REGISTRY, ModelKind
from flam.model.checkpoint import save_checkpoint
from flam.model.convert_clap import flam_from_clap
from flam.model.convert_openflam import flam_from_openflam
from flam.model.convert_pe_audio import adopt_pe_a_frame
from flam.model.export import add_graphs
from flam.model.weights_file import read_weights

START_ID, END_ID = 0, 2
CLAP_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
CARDS: dict[ModelKind, ModelCard] = {
    "openflam": REGISTRY["openflam"].card,
    "clap": ModelCard(
        name="clap",
        summary="CLAP used as FLAM-Global: 10 s windows, 3.2 frames a second, never trained to tell frames apart",
        licence="Apache-2.0",
        source="https://huggingface.co/laion",
        facts=CLAP_FACTS,
    ),
    "pe-a-frame": ModelCard(
        name="pe-a-frame",
        summary="PE-A-Frame: 10 s windows, 25 frames a second",
        licence="Apache-2.0",
        source="https://huggingface.co/facebook",
    ),
}


def convert(
    source: str | Path,
    destination: str | Path,
    kind: ModelKind | None = None,
    tokenizer: str | Path | None = None,
    card: ModelCard | None = None,
) -> None:
    """Write a released model as a checkpoint folder that ``load_checkpoint`` reads.

    Parameters
    ----------
    source : str | Path
        the state dict of an OpenFLAM release (``.pth`` or ``.safetensors``), or the folder of a Hugging Face
        ``ClapModel`` (config.json and weights)
    destination : str | Path
        folder to write; it appears whole or not at all, and replaces one that is there
    kind : ModelKind | None, optional
        what the source is; None guesses: a folder is CLAP, a file OpenFLAM
    tokenizer : str | Path | None, optional
        RoBERTa's tokenizer.json; None takes the one beside the weights
    card : ModelCard | None, optional
        what to tell users of the model; None says what is known of its kind

    Raises
    ------
    ModelError
        the source is no such model, or there is no tokenizer that fits it
    OutputError
        the destination can't be written
    """
    source = Path(source)
    kind = _guess_kind(source) if kind is None else kind
    if kind not in get_args(ModelKind):
        raise ModelError(f"unknown kind of model {kind!r}; choose one of {', '.join(get_args(ModelKind))}")
    folder = source if source.is_dir() else source.parent
    if kind == "pe-a-frame":
        adopt_pe_a_frame(folder, Path(destination), CARDS[kind] if card is None else card)
        return
    if kind == "clap":
        model = flam_from_clap(read_weights(_clap_weights(folder)), folder)
    else:
        model = flam_from_openflam(read_weights(source), str(source))
    model.tokenizer = _tokenizer(
        folder / "tokenizer.json" if tokenizer is None else Path(tokenizer), model.config.text.vocab_size
    )
    save_checkpoint(model, destination, CARDS[kind] if card is None else card)
    add_graphs(destination)


def _guess_kind(source: Path) -> ModelKind:
    if source.is_file():
        return "openflam"
    try:
        config = parse_json((source / "config.json").read_bytes(), f"{source}/config.json", ModelError)
    except OSError as error:
        raise ModelError(
            f"{source}: neither a file of weights nor a folder with config.json ({error}); give one of the two"
        ) from error
    if not isinstance(config, dict):
        raise ModelError(f"{source}: config.json is no object; give the folder of a model")
    if config.get("format") == FORMAT:
        raise ModelError(f"{source}: already a checkpoint of this package; use it as it is")
    kinds: dict[str, ModelKind] = {"clap": "clap", "pe_audio": "pe-a-frame"}
    if config.get("model_type") not in kinds:
        raise ModelError(
            f"{source}: config.json is of a model of type {config.get('model_type')!r}; "
            f"only folders of type {' or '.join(map(repr, kinds))} and OpenFLAM weight files can be converted"
        )
    return kinds[config["model_type"]]


def _clap_weights(folder: Path) -> Path:
    for name in CLAP_WEIGHT_FILES:
        if (folder / name).exists():
            return folder / name
    raise ModelError(f"{folder}: holds no weights; it needs one of {', '.join(CLAP_WEIGHT_FILES)}")


def _tokenizer(path: Path, vocab_size: int) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # the library raises nothing narrower for a damaged file
        raise ModelError(
            f"{path}: no tokenizer can be read ({error}); give RoBERTa's tokenizer.json, beside the weights or by name"
        ) from error
    if tokenizer.get_vocab_size() > vocab_size:
        raise ModelError(
            f"{path}: a tokenizer of {tokenizer.get_vocab_size()} pieces, the model knows {vocab_size}; "
            "give the tokenizer that the model was trained with"
        )
    tokenizer.no_padding()
    ids = tokenizer.encode("sound").ids
    if ids[:1] != [START_ID] or ids[-1:] != [END_ID]:
        raise ModelError(
            f"{path}: encodes 'sound' as {ids}, without RoBERTa's start {START_ID} and end {END_ID}; "
            "give RoBERTa's tokenizer.json"
        )
    return tokenizer
