"""``flam mcp``: detect, count and search as tools for language models, over standard input and output."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def mcp(
    *archives: Annotated[Path, Parameter(help="Archives to search, as flam index writes them.")],
    root: Annotated[
        tuple[Path, ...], Parameter(help="Folder whose recordings may be read.", negative=(), show_default=False)
    ] = (),
    model: Annotated[str | None, Parameter(help="Name of a model, or its folder.", show_default=False)] = None,
) -> int:
    """Offer detect, count and search to a language model over the Model Context Protocol.

    For example, as a command of an MCP client: flam mcp --root recordings/
    """
    from flam.core.errors import require_extra

    require_extra("mcp", "mcp", "to serve the Model Context Protocol")
    from flam.cli.serve import make_service
    from flam.server.config import ServerConfig
    from flam.server.mcp_tools import make_mcp_server
    from flam.server.searching import ArchiveShelf

    service = make_service(ServerConfig(roots=root), model, ())
    try:
        make_mcp_server(service, ArchiveShelf(archives, service.detector)).run("stdio")
    finally:
        service.close()
    return 0
