"""Products in small pieces equal those in one, and leave the other cores alone."""

import time

import numpy as np
import pytest

from flam.core.matmul import matmul_in_thread


@pytest.mark.parametrize(("m", "n", "k"), [(0, 3, 2), (1, 1, 1), (102, 256, 0), (102, 256, 33), (1025, 297, 64)])
def test_product_is_that_of_numpy(m, n, k):
    random = np.random.default_rng(0)
    a, b = random.standard_normal((m, n), np.float32), random.standard_normal((k, n), np.float32).T
    np.testing.assert_allclose(matmul_in_thread(a, b), a @ b, rtol=0, atol=1e-4)


def test_result_may_go_into_a_part_of_an_array():
    a, b = np.ones((50, 300), np.float32), np.ones((300, 40), np.float32)
    whole = np.zeros((100, 80), np.float32)
    assert matmul_in_thread(a, b, out=whole[::2, :40]).shape == (50, 40)
    assert (whole[::2, :40] == 300).all()
    assert (whole[1::2] == 0).all()
    assert (whole[:, 40:] == 0).all()


def test_a_large_product_takes_one_core():
    a, b = np.ones((1025, 297), np.float32), np.ones((297, 1000), np.float32)
    matmul_in_thread(a, b)
    wall, whole, thread = time.perf_counter(), time.process_time(), time.thread_time()
    matmul_in_thread(a, b)
    time.sleep(0.05)  # threads that wait in a loop would do it here
    others = (time.process_time() - whole) - (time.thread_time() - thread)
    assert others < 0.01, f"{others} s of other threads in {time.perf_counter() - wall} s"
