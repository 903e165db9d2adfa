"""Frame scores: pieces join into the whole, files hold all of it, and what does not fit is refused."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from flam.core import Event, FlamError, FrameScores, TimeGrid

GRID = TimeGrid(48_000, 3_840)
PROMPTS = ("dog barking", "regn på taket")


def frame_scores(n_frames=7, start_frame=0, cut_samples=100):
    scores = np.random.default_rng(start_frame).random((n_frames, 2), np.float32)
    return FrameScores(scores, PROMPTS, GRID, start_frame, n_frames * GRID.hop_samples - cut_samples)


def same(one, other):
    assert np.array_equal(one.scores, other.scores)
    assert one.scores.dtype == other.scores.dtype
    for name in ("prompts", "grid", "start_frame", "n_samples"):
        assert getattr(one, name) == getattr(other, name)


@pytest.mark.parametrize("scores", [frame_scores(), frame_scores(start_frame=12), frame_scores(0, cut_samples=0)])
def test_written_equals_read_back(scores, tmp_path):
    scores.save(tmp_path / "scores.npz")
    same(FrameScores.load(tmp_path / "scores.npz"), scores)


def test_pieces_join_into_the_whole():
    whole = frame_scores(9, start_frame=4)
    cuts = [(0, 3), (3, 4), (4, 9)]
    pieces = [
        FrameScores(whole.scores[a:b], PROMPTS, GRID, 4 + a, min(b * 3_840, whole.n_samples) - a * 3_840)
        for a, b in cuts
    ]
    same(FrameScores.concatenate(iter(pieces)), whole)
    assert (whole.start_s, whole.end_s) == (4 * 0.08, (13 * 3_840 - 100) / 48_000)
    for wrong in ([], [pieces[0], pieces[2]], [pieces[1], pieces[0]]):
        with pytest.raises(ValueError, match="piece"):
            FrameScores.concatenate(wrong)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="K = 2 prompts"):
        FrameScores(np.zeros((3, 1), np.float32), PROMPTS, GRID, 0, 3 * 3_840)
    with pytest.raises(ValueError, match="take 4 frames"):
        FrameScores(np.zeros((3, 2), np.float32), PROMPTS, GRID, 0, 3 * 3_840 + 1)


@pytest.mark.parametrize("content", [b"", b"scores", b"PK\x03\x04 and then nothing", b"array", None])
def test_file_that_holds_no_scores(tmp_path, content):
    path = tmp_path / "scores.npz"
    if content is None:
        np.savez(path, scores=np.zeros(3))
    elif content == b"array":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    else:
        path.write_bytes(content)
    with pytest.raises(FlamError, match=r"scores\.npz: not saved frame scores"):
        FrameScores.load(path)
    with pytest.raises(FlamError, match="none"):
        FrameScores.load(tmp_path / "none.npz")


def test_half_a_file_and_a_damaged_one(tmp_path):
    path = tmp_path / "scores.npz"
    frame_scores(500).save(path)
    content = path.read_bytes()
    for n_bytes in (10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:n_bytes])
        with pytest.raises(FlamError, match="not saved frame scores"):
            FrameScores.load(path)
    for position in range(30, len(content) // 2, 100):  # each somewhere else in the compressed rows
        path.write_bytes(content[:position] + bytes([content[position] ^ 255]) + content[position + 1 :])
        with pytest.raises(FlamError, match="not saved frame scores"):
            FrameScores.load(path)


@pytest.mark.parametrize(("at", "value"), [(6, 70), (8, 1)], ids=["newer", "encrypted"])
def test_archive_that_python_cannot_unfold_is_refused(tmp_path, at, value):
    path = tmp_path / "scores.npz"
    frame_scores().save(path)
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x01\x02", at), (b"PK\x03\x04", at - 2)):
        content[content.index(signature) + offset] = value
    path.write_bytes(content)
    with pytest.raises(FlamError, match="not saved frame scores"):
        FrameScores.load(path)


@pytest.mark.parametrize("times", [(-1, 2), (2, 1), (0, float("inf")), (float("nan"), 1)])
def test_event_without_a_time_is_refused(times):
    with pytest.raises(ValueError, match="0 <= onset_s <= offset_s"):
        Event(*times, "dog barking")


def write_npz(path, shape, n_bytes):
    """An archive whose scores claim a shape and hold so many zeros."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in (("grid", np.array([48_000, 3_840, 0, 3_840 * shape[0]])), ("prompts", np.array(["a"]))):
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(f"{name}.npy", buffer.getvalue())
        with archive.open("scores.npy", "w", force_zip64=True) as file:
            file.write(header.getvalue())
            for _ in range(n_bytes >> 24):
                file.write(bytes(1 << 24))


@pytest.mark.parametrize(("n_rows", "n_bytes"), [(2**40, 0), (2**60, 0), (384 << 20, 0)])
def test_array_that_claims_more_than_it_holds_is_refused_before_memory_is_asked_for(n_rows, n_bytes, tmp_path):
    write_npz(tmp_path / "scores.npz", (n_rows, 1), n_bytes)
    tracemalloc.start()
    try:
        with pytest.raises(FlamError, match=r"scores\.npz: not saved frame scores .*claims"):
            FrameScores.load(tmp_path / "scores.npz")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_archive_that_unfolds_a_thousandfold_is_refused_before_memory_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("flam.core.scores.LARGEST_SCORES_BYTES", 2**25)
    write_npz(tmp_path / "scores.npz", (1 << 24, 1), 1 << 26)
    assert (tmp_path / "scores.npz").stat().st_size < 2**20
    with pytest.raises(FlamError, match=r"not saved frame scores .*unfolds"):
        FrameScores.load(tmp_path / "scores.npz")


@pytest.mark.parametrize("scores", [np.full((3, 1), np.nan), np.zeros((3, 1), complex), np.full((3, 1), np.inf)])
def test_scores_that_are_no_finite_numbers_are_refused(scores, tmp_path):
    grid = np.array([16_000, 160, 0, 480])
    np.savez(tmp_path / "a.npz", scores=scores, prompts=np.array(["dog"]), grid=grid)
    with pytest.raises(FlamError, match="its scores are not finite numbers"):
        FrameScores.load(tmp_path / "a.npz")
