"""The pruned scan gives what reading every frame gives."""

import numpy as np
import pytest

from flam.search import scan as scan_module
from flam.search.axes import fit_axes
from flam.search.bounds import Bounds
from flam.search.codec import FORMS, Codec
from flam.search.kernels import product, single
from flam.search.scan import Scanner
from flam.search.segment import Segment, SegmentWriter

DIM = 160


def vectors(rng, n, decay):
    """Random vectors of length 1, most of them in few directions."""
    values = rng.normal(size=(n, DIM)) * np.exp(-np.arange(DIM) / decay)
    values += rng.normal(size=(1, DIM)) * 0.2
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(params=[(form, decay) for form in FORMS for decay in (8.0, 40.0, 1e6)], ids=str, scope="module")
def segment(request, tmp_path_factory):
    form, decay = request.param
    rng = np.random.default_rng(int(decay))
    turn = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0].astype(np.float32)
    frames = vectors(rng, 5_000, decay) @ turn
    codec = Codec(fit_axes([frames[:1_000]]), form)
    folder = tmp_path_factory.mktemp("segment") / "segment"
    writer = SegmentWriter(folder, codec, "id")
    # vectors that the axes were not fitted on, one axis alone among them, which no code range foresees
    alone = np.eye(DIM, dtype=np.float32)
    writer.append(np.concatenate([frames, alone, -alone]), np.ones(len(frames) + 2 * DIM, np.float32))
    writer.finish()
    queries = np.concatenate([frames[:3], vectors(rng, 4, 20.0), alone[:1]])
    return Segment(folder, codec), queries / np.linalg.norm(queries, axis=1, keepdims=True)


def cosines(segment, queries):
    """(T, K) of all frames as they are stored."""
    values = segment.values(slice(None))
    return values @ segment.codec.rotate(queries)[:, : values.shape[1]].T


def passing(segment, query, min_cosine):
    """Rows that the bounds of the prefix let pass, and of these the ones that further codes let pass."""
    kept = segment.codec.rotate(query[None])[:, : segment.codec.n_kept]
    bounds = Bounds(segment.codec, kept, np.array([min_cosine]))
    [products] = bounds.products(segment.prefix[:])
    rows = np.flatnonzero(products >= bounds.limits(segment.header)[0])
    return rows, bounds.narrowed(segment, np.zeros(len(rows), int), rows, products[rows])[1]


@pytest.mark.parametrize("min_cosine", [-0.1, 0.15, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_pruned_scan_equals_brute_force(segment, min_cosine, n_threads, monkeypatch):
    segment, queries = segment
    monkeypatch.setattr(scan_module, "MOST_ROWS", 700)  # several chunks
    monkeypatch.setattr(scan_module, "FEWEST_ROWS", 700)
    monkeypatch.setattr(scan_module, "CHECKED_AT_ONCE", 90)
    scanner = Scanner(segment.codec, queries, np.full(len(queries), min_cosine), n_threads)
    every = cosines(segment, queries)
    found = scanner.scan(segment)
    for query, hits in enumerate(found):
        reached = np.flatnonzero(every[:, query] >= min_cosine)
        assert set(reached) <= set(hits.frames)
        # what is found beyond that lies within rounding of the threshold
        assert (every[hits.frames, query] >= min_cosine - 1e-4).all()
        np.testing.assert_allclose(hits.cosines, every[hits.frames, query], atol=1e-5)
        assert (np.diff(hits.frames) > 0).all()


def test_bounds_let_every_frame_pass_whose_cosine_reaches(segment):
    """Codes alone, without the check that follows, at each frame's own cosine: the tightest case there is."""
    segment, queries = segment
    every = cosines(segment, queries)
    for query, own in zip(queries, every.T, strict=True):
        for row in np.argsort(own)[:: len(own) // 8]:
            rows, narrowed = passing(segment, query, own[row])
            reached = set(np.flatnonzero(own >= own[row]))
            assert reached <= set(rows)
            assert reached <= set(narrowed)


def test_pruning_reads_few_vectors(segment):
    segment, queries = segment
    if np.linalg.norm(segment.prefix[:, -1]) > 0.4 * 255 * len(segment.prefix) ** 0.5:
        pytest.skip("vectors of this kind have no axes to prune by")
    every = cosines(segment, queries[3:7])
    n_passed = np.sum([[len(rows) for rows in passing(segment, query, 0.6)] for query in queries[3:7]], axis=0)
    assert n_passed[0] < 0.5 * 4 * len(segment.prefix)
    assert n_passed[1] < (every >= 0.6).sum() + 0.2 * n_passed[0]


def test_queries_that_nothing_reaches_cost_nothing(segment):
    segment, queries = segment
    found = Scanner(segment.codec, queries[:2], np.array([np.inf, 0.5]), n_threads=1).scan(segment)
    assert len(found[0].frames) == 0
    alone = Scanner(segment.codec, queries[1:2], np.array([0.5]), n_threads=1).scan(segment)[0]
    assert found[1].frames.tolist() == alone.frames.tolist()


def test_integer_product_is_exact_at_the_largest_weights():
    rng = np.random.default_rng(0)
    rows = rng.choice(np.array([0, 255], np.uint8), (4_096, 64))
    columns = rng.choice(np.array([-63, 63], np.int8), (64, 5))
    expected = (rows.astype(np.int64) - 128) @ columns.astype(np.int64)
    assert (product(rows, columns, 128) == expected.T).all()
    same = np.full((8, 64), 255, np.uint8)
    assert (product(same, np.full((64, 1), 63, np.int8), 128) == 64 * 127 * 63).all()


def test_half_precision_is_made_single_exactly():
    values = np.arange(65_536, dtype=np.uint16).view(np.float16).reshape(256, 256)
    np.testing.assert_array_equal(single(values), values.astype(np.float32))
    assert single(values[:0]).shape == (0, 256)
