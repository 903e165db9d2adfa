"""The MCP tools give what the detector and the archive give."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from flam.search import Archive
from flam.server.searching import ArchiveShelf


def waited_for(coroutine):
    """In a thread of its own: a browser of other tests may have an event loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def call(server, tool, **arguments):
    result = waited_for(server.call_tool(tool, arguments))
    content = result[0] if isinstance(result, tuple) else getattr(result, "content", result)
    return [json.loads(part.text) for part in content]


@pytest.fixture
def server(make_service, detector, demo, archive):
    pytest.importorskip("mcp", reason="the extra mcp is not installed")
    from flam.server.mcp_tools import make_mcp_server

    return make_mcp_server(make_service(roots=(demo.parent,)), ArchiveShelf((archive,), detector))


def test_tools_are_listed_with_what_they_take(server):
    tools = {tool.name: tool for tool in waited_for(server.list_tools())}
    assert set(tools) == {"detect", "count", "search"}


def test_detect_and_count(server, detector, demo):
    expected = detector.detect(demo, ["siren", "goat"])
    [*events] = call(server, "detect", recording="street.ogg", prompts=["siren", "goat"])
    events = events[0] if len(events) == 1 and isinstance(events[0], list) else events
    assert [(event["prompt"], event["onset_s"]) for event in events] == [(e.prompt, e.onset_s) for e in expected]
    [counts] = call(server, "count", recording="street", prompts=["siren", "goat"])
    assert counts == {"siren": len(expected), "goat": 0}


def test_search_gives_the_hits_of_the_archive(server, archive, detector):
    expected = Archive(archive, detector).search(["siren", "car horn"], ["rain"])
    hits = call(server, "search", prompts=["siren", "car horn"], suppress=["rain"], limit=3)
    hits = hits[0] if len(hits) == 1 and isinstance(hits[0], list) else hits
    assert [(hit["recording"], hit["prompt"], hit["onset_s"]) for hit in hits] == [
        (span.recording.path, span.event.prompt, span.event.onset_s) for span in expected[:3]
    ]
    with pytest.raises(Exception, match="nothing to search for"):
        call(server, "search", prompts=[])


def test_files_elsewhere_are_refused(server):
    with pytest.raises(Exception, match="no such file under the folders"):
        call(server, "detect", recording="/etc/passwd", prompts=["siren"])
