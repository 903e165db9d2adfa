"""Files that stand where another should be: pages of failed downloads, and pointers of Git LFS and git-annex."""

from __future__ import annotations

import re
from pathlib import Path

from flam.core.errors import FlamError

HEAD_BYTES = 512
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html[\s>]|head[\s>])", re.IGNORECASE | re.DOTALL
)
_SERVER_ERROR = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?<Error>", re.IGNORECASE)
_GIT_LFS = re.compile(rb"version https?://[\w.-]+/spec/")
_GIT_ANNEX = re.compile(rb"(?:\.\./)*(?:\.git)?/annex/objects/")


def placeholder(head: bytes) -> str | None:
    """Say what a file is that holds none of what its name promises, and the remedy; None for any other.

    Parameters
    ----------
    head : bytes
        Its first ``HEAD_BYTES``.

    Examples
    --------
    >>> placeholder(b"version https://git-lfs.github.com/spec/v1\\noid sha256:4d7a")
    'is a Git LFS pointer, not the file itself; run git lfs pull'
    >>> placeholder(b"RIFF") is None
    True
    """
    if _GIT_LFS.match(head):
        return "is a Git LFS pointer, not the file itself; run git lfs pull"
    if _GIT_ANNEX.match(head):
        return "is a git-annex pointer, not the file itself; run git annex get"
    if _HTML.match(head):
        return "is an HTML page, as a failed download leaves; download the file again"
    if _SERVER_ERROR.match(head):
        return "is a server's error message, as a failed download leaves; download the file again"
    return None


def require_content(path: str | Path, error_class: type[FlamError]) -> None:
    """Refuse a placeholder; what else is wrong with a file, its reader tells.

    Raises
    ------
    error_class
        The file holds none of what its name promises.
    """
    try:
        with open(path, "rb") as file:
            what = placeholder(file.read(HEAD_BYTES))
    except (OSError, ValueError):
        return
    if what is not None:
        raise error_class(f"{path}: {what}")
