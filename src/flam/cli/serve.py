"""``flam serve``: a page and an HTTP API on this machine."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from flam.server.config import ServerConfig
    from flam.server.service import Service


def _help(text: str) -> Parameter:
    return Parameter(help=text, negative=(), show_default=False)


def serve(
    *archives: Annotated[Path, Parameter(help="Archives to search, as flam index writes them.")],
    host: Annotated[str, _help("Address to listen on; all but this machine's own need a token.")] = "127.0.0.1",
    port: Annotated[int, _help("Port; 0 takes a free one.")] = 8753,
    token: Annotated[str | None, _help("What clients must present; made up where one is needed.")] = None,
    allow_host: Annotated[tuple[str, ...], _help("Further name under which the page is opened.")] = (),
    root: Annotated[tuple[Path, ...], _help("Folder whose recordings clients may name by path.")] = (),
    prompts: Annotated[tuple[Path, ...], _help("File of prompts to offer in the page.")] = (),
    model: Annotated[str | None, _help("Name of a model, or its folder.")] = None,
    max_upload_mb: Annotated[int, _help("Largest upload, MB.")] = 4000,
    max_minutes: Annotated[float, _help("Longest recording, minutes.")] = 240.0,
    workers: Annotated[int, _help("Recordings analysed at the same time.")] = 1,
    no_browser: Annotated[bool, _help("Don't open the page.")] = False,
    quiet: Annotated[
        bool, Parameter(name=["--quiet", "-q"], negative="", help="Print no address, unless it holds a made-up token.")
    ] = False,
) -> int:
    """Open a page to look at, listen to, correct and export detections; programs use the same server's API.

    For example: flam serve
    """
    from flam.core import ConfigError
    from flam.core.errors import require_extra
    from flam.server.config import ServerConfig

    for package in ("fastapi", "uvicorn", "websockets", "prometheus_client"):
        require_extra(package, "serve", "to serve a page")
    for folder in root:
        if not folder.is_dir():
            raise ConfigError(f"--root {folder}: is no folder; name one with recordings")
    needs_token = token is None and not ServerConfig(host, token="made up").is_loopback
    if needs_token:
        token = secrets.token_urlsafe(24)
    config = ServerConfig(
        host=host,
        port=port,
        token=token,
        allowed_hosts=allow_host,
        roots=root,
        max_upload_mb=max_upload_mb,
        max_duration_s=max_minutes * 60,
        n_workers=workers,
    )
    from flam.server.run import serve as run_server
    from flam.server.searching import ArchiveShelf

    service = make_service(config, model, prompts)
    shelf = ArchiveShelf(archives, service.detector)

    def started(address: str) -> None:
        if needs_token or not quiet:
            print(f"flam serves at {address} (Ctrl-C stops it)", file=sys.stderr, flush=True)
        if not no_browser:
            import webbrowser

            webbrowser.open(address)

    run_server(service, shelf, started)
    return 0


def make_service(config: ServerConfig, model: str | None, prompts: tuple[Path, ...]) -> Service:
    """A service with its model loaded."""
    import flam
    from flam.core import to_mapping
    from flam.detection.kinds import everyday_prompts
    from flam.detection.prompt_file import read_prompt_file
    from flam.hub import hub
    from flam.hub.registry import DEFAULT_MODEL
    from flam.jobs.settings import model_identity
    from flam.server.service import Service

    presets = {"everyday": [{"prompt": prompt} for prompt in everyday_prompts()]}
    for file in prompts:
        presets[file.stem] = [to_mapping(entry) for entry in read_prompt_file(file).prompts]
    name = DEFAULT_MODEL if model is None else model
    folder = hub.resolve(name, notify=lambda line: print(line, file=sys.stderr))
    return Service(flam.load(folder), config, name, model_identity(folder), presets)
