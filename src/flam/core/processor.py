"""What this machine's processor can do, and how much of it this process may use."""

from __future__ import annotations

import functools
import os
from pathlib import Path

BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # of x86 and of Arm
INT8_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"}


def available_cores() -> int:
    """Count the cores that this process may use; ``OMP_NUM_THREADS`` lowers the number."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(limit)) if limit.isdigit() and int(limit) > 0 else cores


@functools.cache
def has_fast_bf16() -> bool:
    """Whether the processor computes in bfloat16; where that can't be found out, False."""
    return bool(processor_flags() & BF16_FLAGS)


@functools.cache
def has_fast_int8() -> bool:
    """Whether the processor multiplies and adds bytes in one instruction; where that can't be found out, False."""
    return bool(processor_flags() & INT8_FLAGS)


@functools.cache
def processor_flags() -> frozenset[str]:
    """Names of the instruction sets, as Linux gives them; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    flags = (line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features")))
    return frozenset(next(flags, []))
