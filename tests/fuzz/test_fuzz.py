"""Damaged and hostile files, the same ones each time: every reader reads them or refuses them in one line."""

import logging
import time

import pytest

from benchmarks import fuzz

READERS = fuzz.readers()
N_FILES = 40
LONGEST_CPU_S = 10.0  # of one file; all but hangs take milliseconds


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_no_damaged_file_is_more_than_an_error_of_one_line(name, tmp_path):
    reader = READERS[name]
    logging.disable(logging.CRITICAL)  # warnings of files that are read in part
    try:
        for number, path in enumerate(fuzz.cases(reader, N_FILES, seed=len(name), folder=tmp_path)):
            begun = time.process_time()
            found = fuzz.problem(reader, path)
            assert found is None, f"file {number}: {found}"
            assert time.process_time() - begun < LONGEST_CPU_S, f"file {number}"
    finally:
        logging.disable(logging.NOTSET)


def test_damage_is_done_and_is_the_same_each_time(tmp_path):
    reader = READERS["events csv"]
    one, again = ([path.read_bytes() for path in fuzz.cases(reader, 30, seed=1, folder=tmp_path)] for _ in range(2))
    assert one == again
    assert len(set(one)) > 20
