"""The same work on many files in several processes, of which a file may kill one without stopping the others."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

P = TypeVar("P")
T = TypeVar("T")

_work: Callable[[Any], Any]  # of this process; a library inside it is too large to send with every file


def each_file(
    paths: Iterable[P], work: Callable[[P], T], on_crash: Callable[[P], T], workers: int
) -> Iterator[tuple[P, T]]:
    """Apply work to files, in no particular order.

    Parameters
    ----------
    paths : Iterable[P]
        paths or URLs of the files
    work : Callable[[P], T]
        a function that can be pickled, which is done once for each process; it must not raise
    on_crash : Callable[[P], T]
        gives the result for a file that ended the process working on it, as a decoder's bug may
    workers : int
        processes; 0 works in this process, where a crash is the end

    Returns
    -------
    Iterator[tuple[P, T]]
        iterator of (path, result)

    Examples
    --------
    >>> list(each_file(["a.wav", "b.flac"], len, on_crash=lambda path: 0, workers=0))
    [('a.wav', 5), ('b.flac', 6)]
    """
    if workers == 0:
        for path in paths:
            yield path, work(path)
        return
    waiting, suspects = deque(paths), deque[P]()
    while waiting:
        running: dict[Future[T], P] = {}
        pool = process_pool(workers, work)
        try:
            while waiting or running:
                while waiting and len(running) < 2 * workers:
                    running[pool.submit(do_work, waiting[0])] = waiting[0]
                    waiting.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield running.pop(future), result
        except BrokenProcessPool:
            suspects.extend(running.values())
        finally:
            pool.shutdown(cancel_futures=True)
    for path in suspects:
        with process_pool(1, work) as alone:
            try:
                yield path, alone.submit(do_work, path).result()
            except BrokenProcessPool:
                yield path, on_crash(path)


def n_processors() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_pool(workers: int, work: Callable[[Any], Any]) -> ProcessPoolExecutor:
    """Start processes that do one kind of work: submit ``do_work`` with what it is to be done on.

    They never see Ctrl-C, and end when this process is gone.
    """
    # not forked: a fork copies the locks that other threads hold
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start, initargs=(work,))
    with _ctrl_c_held_back():
        pool.submit(_nothing)  # the first task starts all processes
    return pool


@contextlib.contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Processes started within never see Ctrl-C, not even before ``_start``; this one sees it afterwards."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _nothing() -> None:
    return None


def _start(work: Callable[[Any], Any]) -> None:
    """Leave Ctrl-C to the parent, and end when it is gone, even if it was killed."""
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def do_work(task: Any) -> Any:
    """Do the work of this process on a task."""
    return _work(task)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
