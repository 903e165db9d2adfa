"""Recordings are found in folders in a fixed order; files given by name are taken at their word."""

import errno
import os
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


def test_a_path_that_no_system_takes_is_an_error():
    with pytest.raises(AudioError, match="can't be reached"):
        list(find_recordings(["x" * 5000]))


def test_linked_folders_are_followed_once_and_loops_end(tmp_path):
    make(tmp_path, "top/a/x.wav", "outside/y.wav")
    (tmp_path / "top" / "a" / "loop").symlink_to(tmp_path / "top", target_is_directory=True)
    (tmp_path / "top" / "b").symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "top" / "c").symlink_to(tmp_path / "outside", target_is_directory=True)
    assert found(tmp_path / "top") == ["a/x.wav", "b/y.wav"]


def test_links_that_lead_nowhere_are_told_and_left_out(tmp_path):
    make(tmp_path, "z.wav")
    (tmp_path / "broken.wav").symlink_to(tmp_path / "nowhere.wav")
    (tmp_path / "self.wav").symlink_to(tmp_path / "self.wav")
    (tmp_path / "broken.txt").symlink_to(tmp_path / "nowhere.txt")
    problems = []
    assert list(find_recordings([tmp_path], problems.append)) == [tmp_path / "z.wav"]
    assert [problem.split(": is a link")[0] for problem in problems] == [
        str(tmp_path / name) for name in ("broken.wav", "self.wav")
    ]


def test_a_folder_below_that_cannot_be_listed_does_not_end_the_walk(tmp_path, monkeypatch):
    make(tmp_path, "a.wav", "locked/b.wav", "z.wav")
    really_list = os.listdir

    def guarded_list(folder):
        if Path(folder).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied")
        return really_list(folder)

    monkeypatch.setattr(os, "listdir", guarded_list)
    problems = []
    walk = find_recordings([tmp_path], problems.append)
    assert [path.name for path in walk] == ["a.wav", "z.wav"]
    assert problems == [f"{tmp_path / 'locked'}: can't be listed (Permission denied); check its permissions"]
    with pytest.raises(AudioError, match="can't be listed"):
        list(find_recordings([tmp_path / "locked"]))
