"""What C libraries print to the terminal, caught so that it can be told with the name of the file."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# how libmpg123 begins its lines; everything else that reaches the terminal meanwhile is passed on
_MPG123 = re.compile(rb"^(?:Warning: |Note: |\[src/libmpg123/|Illegal Audio-MPEG|big_values|\s*$)")
_lock = threading.RLock()


@contextmanager
def caught_stderr(lines: list[str]) -> Iterator[None]:
    """Add what libmpg123 prints within the block to ``lines``; what others print appears when the block ends.

    One thread at a time catches; file descriptors belong to the whole process, so keep the block short.
    """
    with _lock:
        try:
            kept = os.dup(2)
        except OSError:  # a program without a terminal
            yield
            return
        try:
            with tempfile.TemporaryFile() as caught:
                os.dup2(caught.fileno(), 2)
                try:
                    yield
                finally:
                    os.dup2(kept, 2)
                    caught.seek(0)
                    for line in caught.read().splitlines(keepends=True):
                        if _MPG123.match(line):
                            lines.append(line.decode("utf-8", "replace").strip())
                        else:
                            os.write(2, line)
        finally:
            os.close(kept)
