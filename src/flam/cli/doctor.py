"""``flam doctor``: what this machine and this installation have, and what is missing."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path

import flam
from flam.core import FlamError
from flam.hub import hub

WIDE_INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16")


def doctor() -> int:
    """Report versions, processor, extras and models, and say how to install what is missing.

    Exit code 1 where something that every command needs is missing.

    For example: flam doctor
    """
    missing = [name for name in _required("") if _version(name) is None]
    for title, lines in {
        "flam": [f"flam {flam.__version__}, Python {platform.python_version()}, {platform.platform()}"],
        "processor": [_processor()],
        "packages": [f"{name} {_version(name) or 'MISSING'}" for name in _required("")],
        "extras": [_extra(name) for name in _extras()],
        "models": _models(),
        "folders": [f"cache {hub.cache_folder()}", f"own models {hub.models_folder()}"],
    }.items():
        sys.stdout.write(f"{title}\n" + "".join(f"  {line}\n" for line in lines))
    if missing:
        sys.stderr.write(f"missing: {', '.join(missing)}; install them with: pip install {' '.join(missing)}\n")
    return 1 if missing else 0


def _processor() -> str:
    """Number of cores that this process may use, and the wide instructions that decide how fast models run."""
    try:
        n_cores = len(os.sched_getaffinity(0))
    except AttributeError:
        n_cores = os.cpu_count() or 1
    known: set[str] = set()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():
        for line in cpu_info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                known = set(line.split(":", 1)[1].split())
                break
    wide = [name for name in WIDE_INSTRUCTIONS if name in known]
    return f"{platform.machine()}, {n_cores} cores, {', '.join(wide) if wide else 'instruction sets unknown'}"


def _extras() -> list[str]:
    return [name for name in distribution("flam-audio").metadata.get_all("Provides-Extra") or [] if name != "dev"]


def _required(extra: str) -> list[str]:
    """Names of the packages that an extra brings; an empty name stands for those of every installation."""
    names = []
    for requirement in requires("flam-audio") or []:
        package, _, marker = requirement.partition(";")
        marked = f'extra == "{extra}"' in marker.replace("'", '"')
        if marked if extra else "extra ==" not in marker:
            names.append(package.split("[")[0].split(">")[0].split("=")[0].split("<")[0].split("!")[0].strip())
    return [name for name in names if name != "flam-audio"]


def _extra(name: str) -> str:
    missing = [package for package in _required(name) if _version(package) is None]
    return (
        f'{name}: missing {", ".join(missing)}; pip install "flam-audio[{name}]"' if missing else f"{name}: installed"
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _models() -> list[str]:
    lines = []
    for model in hub.list_models():
        try:
            hub.model_info(model.name)
            lines.append(f"{model.name}: {model.where}")
        except FlamError as error:
            lines.append(f"{model.name}: can't be used ({error})")
    return lines
