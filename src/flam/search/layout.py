"""The folder of an archive: what lies where, making one, and sweeping what a stopped run left."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from flam.core import ConfigError, FlamError, ModelError, OutputError
from flam.hub.card import read_config, read_header, require_all_tensors
from flam.hub.hub import resolve
from flam.search.axes import FILE_NAME, SearchAxes
from flam.search.axes import FILE_NAME as AXES_NAME
from flam.search.catalogue import FILE_NAME as CATALOGUE_NAME
from flam.search.catalogue import ArchiveSettings, Catalogue, lost_catalogue
from flam.search.codec import Codec
from flam.search.segment import sync_folder

if TYPE_CHECKING:
    from flam.detection import Detector

OPEN_PREFIX = ".open-"
WEIGHTS = "model.safetensors"
# what describes texts and leaves the frames of a recording as they are
TEXT_SETTINGS = ("text", "per_text_")
TEXT_TENSORS = ("text_", "logit_", "log_temperature")


class ArchiveFolder:
    """Paths within an archive.

    Parameters
    ----------
    path : Path
        The archive.
    """

    def __init__(self, path: Path):
        self.path = path
        self.catalogue_path = path / CATALOGUE_NAME
        self.axes_path = path / AXES_NAME
        self.segments_path = path / "segments"
        self.incoming_path = path / "incoming"

    def exists(self) -> bool:
        """Whether there is an archive."""
        return self.catalogue_path.exists()

    def create(self, settings: ArchiveSettings, axes: SearchAxes) -> None:
        """Make an empty archive; it exists once its catalogue does.

        Raises
        ------
        ConfigError
            The folder holds something else, or segments of an archive whose catalogue is lost.
        OutputError
            The folder can't be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            own = {self.axes_path.name, self.segments_path.name, self.incoming_path.name}
            foreign = [name for name in os.listdir(self.path) if name not in own and not name.startswith(".")]
            if foreign:
                raise ConfigError(f"{self.path}: holds {foreign[0]} and is no archive; name a new folder")
            self.segments_path.mkdir(exist_ok=True)
            if any(not folder.name.startswith(OPEN_PREFIX) for folder in self.segments_path.iterdir()):
                raise ConfigError(lost_catalogue(self.catalogue_path))
            axes.save(self.axes_path)
            part = self.path / f".{secrets.token_hex(8)}.part"
            try:
                with Catalogue.create(part, settings):
                    pass
                os.replace(part, self.catalogue_path)
            finally:
                for left in self.path.glob(f"{part.name}*"):
                    left.unlink()
            sync_folder(self.path)
        except OSError as error:
            raise OutputError(f"{self.path}: archive can't be made ({error.strerror}); choose another place") from error

    def codec(self, settings: ArchiveSettings) -> Codec:
        """How the archive's frames are stored."""
        return Codec(self.axes(), settings.form)

    def axes(self) -> SearchAxes:
        """What frames are stored along.

        Raises
        ------
        FlamError
            The file is lost or damaged.
        """
        try:
            return SearchAxes.load(self.axes_path)
        except ModelError as error:
            raise FlamError(
                f"{self.axes_path}: is missing or damaged, and segments can't be read without it ({error}); bring it "
                "back from a copy of the archive, or build the archive again in a new folder"
            ) from error

    def new_segment_path(self) -> Path:
        """A folder to write a segment in, under a name that no reader looks at."""
        return self.segments_path / f"{OPEN_PREFIX}{secrets.token_hex(8)}"

    def publish(self, folder: Path) -> str:
        """Give a finished segment its name, which is returned."""
        name = folder.name.removeprefix(OPEN_PREFIX)
        os.rename(folder, self.segments_path / name)
        sync_folder(self.segments_path)
        return name

    def sweep(self, known: set[str]) -> None:
        """Remove what a stopped run left: parts, and segments that the catalogue does not name.

        Only for whoever holds the archive's lock.
        """
        shutil.rmtree(self.incoming_path, ignore_errors=True)
        for folder in self.segments_path.iterdir() if self.segments_path.is_dir() else ():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)
        for part in self.path.glob(".*.part*"):
            part.unlink(missing_ok=True)


def model_id(folder: Path) -> str:
    """Hash what decides a model's frames: the sizes and weights of its audio side.

    Texts are encoded anew by every search, so that a model whose text side alone has changed can search what it has
    encoded before.

    Raises
    ------
    ModelError
        The folder holds no model.
    """
    config, path = read_config(folder).get("model"), folder / WEIGHTS
    if isinstance(config, dict):
        config = {name: value for name, value in config.items() if not name.startswith(TEXT_SETTINGS)}
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    require_all_tensors(path)
    header = read_header(path)
    with open(path, "rb") as file:
        for name, tensor in sorted(json.loads(header).items()):
            if name == "__metadata__" or name.startswith(TEXT_TENSORS):
                continue
            start, end = tensor["data_offsets"]
            digest.update(json.dumps([name, tensor["dtype"], tensor["shape"]]).encode())
            file.seek(8 + len(header) + start)
            digest.update(file.read(end - start))
    return digest.hexdigest()[:16]


def load_model(name: str, expected_id: str, archive: Path) -> Detector:
    """Load the model of an archive.

    Raises
    ------
    ModelError
        It can't be found, or is another one than the archive was made with.
    """
    import flam

    if Path(name).is_absolute() and not Path(name).is_dir():
        raise ModelError(
            f"{archive}: its model is no longer at {name}; where it has gone, tell with "
            f"flam index build FOLDER -o {archive} --model PLACE"
        )
    folder = resolve(name)
    require_model(folder, name, expected_id, archive)
    return flam.load(folder, device="cpu")


def require_model(folder: Path, name: str, expected_id: str, archive: Path) -> None:
    """Refuse a model that an archive was not made with.

    Raises
    ------
    ModelError
        The model's files differ from those that the archive was made with.
    """
    found = model_id(folder)
    if found != expected_id:
        raise ModelError(
            f"{archive}: made with model {expected_id}, but {name} is {found}; features of two models can't be "
            "compared: name the archive's model, or build a new archive"
        )


def model_axes(folder: Path) -> SearchAxes | None:
    """The axes that a model ships with; None where it has none."""
    path = folder / FILE_NAME
    return SearchAxes.load(path) if path.exists() else None
