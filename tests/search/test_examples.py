"""An example finds sounds like itself."""

import math

import pytest

from flam.core import ConfigError
from flam.search import Archive
from flam.search.archive import ranked
from flam.search.examples import Example, example_query


def test_part_of_a_clip(tmp_path):
    assert Example.parse("owl.wav") == Example(Example.parse("owl.wav").path, 0.0, math.inf)
    assert (Example.parse("a@b.wav@1.2-2").start_s, Example.parse("a@b.wav@1.2-2").end_s) == (1.2, 2.0)
    named = tmp_path / "take@1-2"
    named.write_bytes(b"")
    assert Example.parse(str(named)).end_s == math.inf
    with pytest.raises(ConfigError, match="ends before it begins"):
        Example.parse("owl.wav@2-1")


def test_example_finds_its_sound(archive_paths, detector, sounds):
    archive = Archive(archive_paths["exact"], detector)
    example = Example(sounds / "SITE1_20260501_220000.wav", 10.2, 11.8)
    query = example_query(archive, example, detector.config)
    spans = ranked(archive.spans([query]))
    assert {(round(s.event.onset_s), round(s.event.offset_s)) for s in spans if "220000" in s.recording.path} == {
        (0, 2),
        (10, 12),
    }
    assert all("tone" not in span.event.prompt for span in spans)
    assert not any("plain" in span.recording.path or "quiet" in span.recording.path for span in spans)


def test_words_pull_an_example_their_way(archive_paths, detector, sounds):
    archive = Archive(archive_paths["exact"], detector)
    example = Example(sounds / "SITE1_20260501_220000.wav", 10.2, 11.8)
    alone = example_query(archive, example, detector.config)
    words = detector.embed_text(["tone 1000"])
    both = example_query(archive, example, detector.config, words)
    text = words.text_features[0]
    assert both.texts.text_features[0] @ text > alone.texts.text_features[0] @ text


def test_silent_part_is_refused(archive_paths, detector, sounds):
    archive = Archive(archive_paths["exact"], detector)
    with pytest.raises(ConfigError, match="nothing but silence"):
        example_query(archive, Example(sounds / "quiet.wav", 4.99, 4.995), detector.config)
