"""Recordings are found in folders in a fixed order; files given by name are taken at their word."""

from pathlib import Path

import pytest

from flam.audio import find_recordings
from flam.core import AudioError


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_recordings([folder])]


def test_folders_are_walked_sorted_and_only_recordings_are_taken(tmp_path):
    make(tmp_path, "b.wav", "a/z.MP3", "a/deep/x.m4a", "c.flac", "notes.txt", ".hidden.wav", ".cache/y.wav", "noend")
    assert found(tmp_path) == ["a/deep/x.m4a", "a/z.MP3", "b.wav", "c.flac"]


def test_files_given_are_kept_as_they_are_and_in_order(tmp_path):
    make(tmp_path, "z.dat", ".a.wav", "sub/s.wav")
    given = [tmp_path / "z.dat", tmp_path / "sub", str(tmp_path / ".a.wav")]
    assert list(find_recordings(given)) == [tmp_path / "z.dat", tmp_path / "sub" / "s.wav", tmp_path / ".a.wav"]


def test_a_missing_path_is_an_error(tmp_path):
    make(tmp_path, "a.wav")
    walk = find_recordings([tmp_path / "a.wav", tmp_path / "none"])
    assert next(walk).name == "a.wav"
    with pytest.raises(AudioError, match="no such file or folder; check"):
        next(walk)


def test_linked_folders_are_followed_once_and_loops_end(tmp_path):
    make(tmp_path, "top/a/x.wav", "outside/y.wav")
    (tmp_path / "top" / "a" / "loop").symlink_to(tmp_path / "top", target_is_directory=True)
    (tmp_path / "top" / "b").symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "top" / "c").symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "top" / "broken.wav").symlink_to(tmp_path / "nowhere.wav")
    assert found(tmp_path / "top") == ["a/x.wav", "b/y.wav"]
