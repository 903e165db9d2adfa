"""Tools for language models over the Model Context Protocol: the same functions as the API."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

import flam
from flam.core import FlamError
from flam.detection.prompt_file import PromptList
from flam.server.scoring import Query
from flam.server.searching import ArchiveShelf, SearchQuery
from flam.server.service import Service, require_ready

POLL_S = 0.05
INSTRUCTIONS = (
    "Finds sounds that words describe. Prompts are short English texts such as 'dog barking'. Times are seconds. "
    "Recordings are paths under the folders that flam mcp was started with, or one of the bundled street, home, nature."
)


def make_mcp_server(service: Service, shelf: ArchiveShelf) -> MCPServer:
    """Make a server with the tools detect, count and search.

    Parameters
    ----------
    service : Service
        What carries out detect and count.
    shelf : ArchiveShelf
        What can be searched.

    Returns
    -------
    MCPServer
        Ready to run over standard input and output.
    """
    server = MCPServer("flam", version=flam.__version__, instructions=INSTRUCTIONS)

    @server.tool()
    def detect(
        recording: str, prompts: list[str], suppress: list[str] | None = None, threshold: float | None = None
    ) -> list[dict[str, Any]]:
        """Find when each sound occurs in a recording."""
        return _detect(service, recording, prompts, suppress, threshold)

    @server.tool()
    def count(
        recording: str, prompts: list[str], suppress: list[str] | None = None, threshold: float | None = None
    ) -> dict[str, int]:
        """Count how often each sound occurs in a recording."""
        found = Counter(event["prompt"] for event in _detect(service, recording, prompts, suppress, threshold))
        return {prompt: found[prompt] for prompt in prompts}

    @server.tool()
    def search(
        prompts: list[str], suppress: list[str] | None = None, then: str | None = None, limit: int = 20
    ) -> list[dict[str, Any]]:
        """Find sounds in all archives, the best first; with then, only where that sound follows within 5 s."""
        try:
            query = SearchQuery(PromptList.of(prompts), tuple(suppress or ()), then, 5.0, None, {})
            found = [span for name in shelf.names for span in shelf.find(name, query)]
        except FlamError as error:
            raise ToolError(str(error)) from error
        found.sort(key=lambda span: -(span.event.max_score or 0.0))
        return [{"recording": span.recording.path, **vars(span.event)} for span in found[:limit]]

    return server


def _detect(
    service: Service, recording: str, prompts: list[str], suppress: list[str] | None, threshold: float | None
) -> list[dict[str, Any]]:
    try:
        options = {} if threshold is None else {"threshold": threshold}
        query = service.require_prompts(Query(PromptList.of(prompts), tuple(suppress or ()), options))
        stored = service.add_named(recording)
        while not stored.is_finished:
            time.sleep(POLL_S)
        require_ready(stored)
        return [vars(event) for event in service.events(stored, query)]
    except FlamError as error:
        raise ToolError(str(error)) from error
