"""One file from the Hugging Face hub, resumed where it broke off, and never accepted unchecked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from flam.core import ModelError, file_sha256
from flam.hub.registry import RemoteFile

BLOCK_BYTES = 1 << 20
TIMEOUT_S = 30.0

DownloadProgress = Callable[[str, int, int], None]


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
