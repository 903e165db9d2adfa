"""From the name of a model to its folder: a path, one of the user's own, one of the package, or one fetched once.

The user's own models are the checkpoints in a folder for them, each by the name of its sub-folder.

Fetched models lie in the user's cache, converted. Beside each stands a lock file, written last: where every file came
from and the SHA-256 of what came and of what was made of it; later uses are checked against it.
"""

from __future__ import annotations

import difflib
import importlib.resources
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import platformdirs

from flam.core import FlamError, ModelError, OutputError, atomic_text, file_sha256, parse_json
from flam.hub.card import FORMAT, ModelCard, read_card
from flam.hub.registry import REGISTRY, DownloadProgress, RemoteModel, fetch


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model without loading it.

    Parameters
    ----------
    name : str
        to ask for it by
    where : Literal['bundled', 'own', 'downloaded', 'remote', 'folder']
        "bundled" with the package, the user's "own", "downloaded" to the cache, still "remote", or any "folder"
    card : ModelCard
        what it says of itself
    folder : Path | None
        where it lies; None if remote
    """

    name: str
    where: Literal["bundled", "own", "downloaded", "remote", "folder"]
    card: ModelCard
    folder: Path | None


def resolve(
    name_or_path: str | Path,
    download: bool = True,
    notify: Callable[[str], None] | None = None,
    progress: DownloadProgress | None = None,
) -> Path:
    """The folder of a model, for ``load_checkpoint``.

    Parameters
    ----------
    name_or_path : str | Path
        a model folder, or a name that ``list_models`` gives
    download : bool, default True
        False raises instead of fetching a model that is not there yet
    notify : Callable[[str], None] | None, optional
        called with one line, which names size and licence, before anything is fetched
    progress : DownloadProgress | None, optional
        called while a file is fetched, with its name, the bytes that are here, and the bytes it has in all

    Raises
    ------
    ModelError
        no such model; or it has to be fetched and can't or mustn't be; or it was changed since
    OutputError
        the cache can't be written
    """
    folder = Path(name_or_path)
    if (folder / "config.json").exists():
        return folder
    name = str(name_or_path)
    here = _bundled() | _own()
    if name in here:
        return here[name]
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
        card = model.card
        notify(f"{name}: fetching {model.size_mb} MB; licence of the weights: {card.licence} ({card.source})")
    return _download(model, progress)


def list_models() -> list[ModelInfo]:
    """Every model that has a name: bundled ones first, then the user's own, then those that can be fetched."""
    return [
        *(ModelInfo(name, "bundled", read_card(folder), folder) for name, folder in _bundled().items()),
        *(ModelInfo(name, "own", _card_or_problem(folder), folder) for name, folder in _own().items()),
        *(_registered(name, model) for name, model in REGISTRY.items()),
    ]


def model_info(name_or_path: str | Path) -> ModelInfo:
    """What is known of one model.

    Raises
    ------
    ModelError
        no such model

    Examples
    --------
    >>> model_info("openflam").card.licence
    'non-commercial; read it before use'
    """
    folder, name = Path(name_or_path), str(name_or_path)
    if (folder / "config.json").exists():
        return ModelInfo(name, "folder", read_card(folder), folder)
    for info in list_models():
        if info.name == name:
            return info
    raise _unknown(name)


def own_folder(name: str) -> Path:
    """Where a model of the user's own lies, or is to lie, under a name.

    Raises
    ------
    ModelError
        the name is that of another model, or can't be one of a folder

    Examples
    --------
    >>> own_folder("my-birds").name
    'my-birds'
    """
    if name in _bundled() or name in REGISTRY:
        raise ModelError(f"{name!r} is the name of a model that others have too; choose another name")
    if not name.strip() or name.startswith(".") or Path(name).name != name:
        raise ModelError(f"{name!r} can't be the name of a model; choose one without slashes and leading dots")
    return models_folder() / name


def models_folder() -> Path:
    """Where the user's own models lie: ``$FLAM_MODELS``, or ``models`` in the user's folder for flam's data."""
    if chosen := os.environ.get("FLAM_MODELS"):
        return Path(chosen).expanduser()
    return platformdirs.user_data_path("flam", appauthor=False) / "models"


def cache_folder() -> Path:
    """Where fetched models lie: ``$FLAM_CACHE``, or the user's folder for flam's cache."""
    if chosen := os.environ.get("FLAM_CACHE"):
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("flam", appauthor=False)


def _download(model: RemoteModel, progress: DownloadProgress | None) -> Path:
    from huggingface_hub.utils import WeakFileLock

    from flam.model.convert import convert

    folder = _folder(model)
    parts = folder.with_name(f"{folder.name}.download")
    try:
        parts.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(folder.with_name(f".{folder.name}.lock")):
            cached = _cached(model)  # another process may have been faster
            if cached is not None:
                return cached
            _lock_path(folder).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            source = [asdict(remote) | {"sha256": fetch(remote, parts, progress)} for remote in model.files]
            weights = parts / model.files[0].path
            convert(weights if model.kind == "openflam" else parts, folder, model.kind, card=model.card)
            paths = sorted(folder.iterdir())
            made = {path.name: file_sha256(path) for path in paths}
            seen = {path.name: _appearance(path) for path in paths}
            with atomic_text(_lock_path(folder)) as file:
                json.dump({"format": FORMAT, "source": source, "files": made, "seen": seen}, file, indent=2)
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
    """Check a fetched model; files that look as they did when they were hashed are not hashed again.

    Raises
    ------
    ModelError
        a file is gone or changed
    """
    lock = _read_lock(folder)
    seen = lock.get("seen", {})
    for name, sha256 in lock["files"].items():
        path = folder / name
        is_same = path.is_file() and (_appearance(path) == seen.get(name) or file_sha256(path) == sha256)
        if not is_same:
            raise ModelError(f"{folder / name}: changed since it was downloaded; delete {folder} to fetch it again")


def _appearance(path: Path) -> list[int]:
    """Size and time of the last change of a file."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _read_lock(folder: Path) -> dict[str, Any]:
    try:
        lock = parse_json(_lock_path(folder).read_bytes(), str(_lock_path(folder)))
    except (OSError, FlamError):
        return {}
    return lock if isinstance(lock, dict) else {}


def _folder(model: RemoteModel) -> Path:
    return cache_folder() / "models" / model.card.name


def _lock_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock.json")


def _bundled() -> dict[str, Path]:
    models = Path(str(importlib.resources.files("flam"))) / "assets" / "models"
    return {path.parent.name: path.parent for path in sorted(models.glob("*/config.json"))}


def _own() -> dict[str, Path]:
    shared = {*_bundled(), *REGISTRY}
    found = (path.parent for path in sorted(models_folder().glob("*/config.json")))
    return {folder.name: folder for folder in found if not folder.name.startswith(".") and folder.name not in shared}


def _card_or_problem(folder: Path) -> ModelCard:
    """The card of a model; for a damaged one what is wrong with it, so that the others can still be listed."""
    try:
        return read_card(folder)
    except FlamError as error:
        return ModelCard(folder.name, f"can't be used: {error}")


def _registered(name: str, model: RemoteModel) -> ModelInfo:
    folder = _cached(model)
    if folder is not None:
        return ModelInfo(name, "downloaded", read_card(folder), folder)
    download = {"download": f"{model.size_mb} MB"}
    return ModelInfo(name, "remote", replace(model.card, facts=model.card.facts | download), None)


def _unknown(name: str) -> ModelError:
    names = [*_bundled(), *_own(), *REGISTRY]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return ModelError(f"no model {name!r}; {guess}give the path of a model folder, or one of {', '.join(names)}")
