"""From the name of a model to its folder: a path, a model that came with the package, or one that is fetched once.

Fetched models lie in the user's cache, converted. Beside each stands a lock file, written last: where every file came
from and the SHA-256 of what came and of what was made of it; later uses are checked against it.
"""

from __future__ import annotations

import difflib
import importlib.resources
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from flam.core import ModelError, OutputError
from flam.model.card import FORMAT, ModelCard, read_config
from flam.model.fetch import Progress, fetch, file_sha256
from flam.model.registry import REGISTRY, RemoteModel


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model without loading it.

    Parameters
    ----------
    name : to ask for it by
    where : "bundled" with the package, "downloaded" to the cache, or still "remote"
    summary, licence, source : one line each
    folder : where it lies; None if remote
    facts : further lines, title to text
    """

    name: str
    where: Literal["bundled", "downloaded", "remote"]
    summary: str
    licence: str
    source: str
    folder: Path | None
    facts: dict[str, str] = field(default_factory=dict)


def resolve(
    name_or_path: str | Path,
    download: bool = True,
    notify: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> Path:
    """The folder of a model, for ``load_checkpoint``.

    Parameters
    ----------
    name_or_path : a model folder, or a name that ``list_models`` gives
    download : False raises instead of fetching a model that is not there yet
    notify : called with one line, which names size and licence, before anything is fetched
    progress : called while a file is fetched, with its name, the bytes that are here, and the bytes it has in all

    Raises
    ------
    ModelError : no such model; or it has to be fetched and can't or mustn't be; or it was changed since
    OutputError : the cache can't be written
    """
    folder = Path(name_or_path)
    if (folder / "config.json").exists():
        return folder
    name = str(name_or_path)
    bundled = _bundled()
    if name in bundled:
        return bundled[name]
    if name not in REGISTRY:
        raise _unknown(name)
    model = REGISTRY[name]
    cached = _cached(model)
    if cached is not None:
        _check(cached)
        return cached
    if not download:
        raise ModelError(
            f"{name} is not on this computer ({model.size_mb} MB); fetch it with flam models download {name}"
        )
    if notify is not None:
        notify(f"{name}: fetching {model.size_mb} MB; licence of the weights: {model.licence} ({model.licence_url})")
    return _download(model, progress)


def list_models() -> list[ModelInfo]:
    """Every model that has a name: bundled ones first, then those that can be fetched."""
    return [
        *(_info_from_card(name, "bundled", folder) for name, folder in _bundled().items()),
        *(_info_from_registry(model) for model in REGISTRY.values()),
    ]


def model_info(name: str) -> ModelInfo:
    """What is known of one model.

    Raises
    ------
    ModelError : no model of that name

    >>> model_info("openflam").licence
    'non-commercial; read it before use'
    """
    for info in list_models():
        if info.name == name:
            return info
    raise _unknown(name)


def cache_folder() -> Path:
    """Where fetched models lie: ``$FLAM_CACHE``, or ``flam`` in the user's folder for caches on this system."""
    if chosen := os.environ.get("FLAM_CACHE"):
        return Path(chosen).expanduser()
    if system_wide := os.environ.get("XDG_CACHE_HOME"):
        return Path(system_wide) / "flam"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "flam"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "flam" / "Cache"
    return Path.home() / ".cache" / "flam"


def _download(model: RemoteModel, progress: Progress | None) -> Path:
    from huggingface_hub.utils import WeakFileLock

    from flam.model.convert import convert

    folder = _folder(model)
    parts = folder.with_name(f"{model.name}.download")
    try:
        parts.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(folder.with_name(f".{model.name}.lock")):
            cached = _cached(model)  # another process may have been faster
            if cached is not None:
                return cached
            _lock_path(folder).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            source = [asdict(file) | {"sha256": fetch(file, parts, progress)} for file in model.files]
            card = ModelCard(model.name, model.summary, model.licence, model.licence_url)
            weights = parts / model.files[0].path
            convert(parts if model.kind == "clap" else weights, folder, model.kind, card=card)
            made = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
            part = parts / "lock.json"
            part.write_text(json.dumps({"format": FORMAT, "source": source, "files": made}, indent=2), encoding="utf-8")
            os.replace(part, _lock_path(folder))
        shutil.rmtree(parts, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"{folder.parent}: can't be written ({error}); free space there, or set FLAM_CACHE to another folder"
        ) from error
    return folder


def _cached(model: RemoteModel) -> Path | None:
    """The folder of a fetched model, if it is complete and came from where the registry now says."""
    folder = _folder(model)
    lock = _read_lock(folder)
    wanted = [asdict(file) for file in model.files]
    here = [
        file | {"sha256": file["sha256"] if known["sha256"] is not None else None}
        for file, known in zip(lock.get("source", []), wanted, strict=False)
    ]
    return folder if folder.is_dir() and lock.get("format") == FORMAT and here == wanted else None


def _check(folder: Path) -> None:
    for name, sha256 in _read_lock(folder)["files"].items():
        if not (folder / name).is_file() or file_sha256(folder / name) != sha256:
            raise ModelError(f"{folder / name}: changed since it was downloaded; delete {folder} to fetch it again")


def _read_lock(folder: Path) -> dict[str, Any]:
    try:
        lock = json.loads(_lock_path(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return lock if isinstance(lock, dict) else {}


def _folder(model: RemoteModel) -> Path:
    return cache_folder() / "models" / model.name


def _lock_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock.json")


def _bundled() -> dict[str, Path]:
    models = Path(str(importlib.resources.files("flam"))) / "assets" / "models"
    return {path.parent.name: path.parent for path in sorted(models.glob("*/config.json"))}


def _info_from_card(name: str, where: Literal["bundled", "downloaded"], folder: Path) -> ModelInfo:
    card = read_config(folder).get("card", {})
    known = {key: card.get(key, "") for key in ("summary", "licence", "source")}
    return ModelInfo(name, where, **known, folder=folder, facts=card.get("facts", {}))


def _info_from_registry(model: RemoteModel) -> ModelInfo:
    folder = _cached(model)
    if folder is not None:
        return _info_from_card(model.name, "downloaded", folder)
    facts = {"download": f"{model.size_mb} MB"}
    return ModelInfo(model.name, "remote", model.summary, model.licence, model.licence_url, None, facts)


def _unknown(name: str) -> ModelError:
    names = [*_bundled(), *REGISTRY]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return ModelError(f"no model {name!r}; {guess}give the path of a model folder, or one of {', '.join(names)}")
