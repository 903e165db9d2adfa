"""Making the shards of a set: in processes of this machine, or on a Ray cluster with the same code."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from flam.core import AudioError, ConfigError, FlamError
from flam.core.processes import each_file
from flam.data.scene_shards import SceneSet, ShardRecord


def render_local(
    scenes: SceneSet, paths: Sequence[Path], workers: int
) -> Iterator[tuple[Path, ShardRecord | FlamError]]:
    """Make shards in so many processes, or in this one for 0; in the order in which they get finished."""
    yield from each_file(paths, scenes.make, _crashed, workers)


def require_ray() -> None:
    """Check for Ray, better before sounds are made than after.

    Raises
    ------
    ConfigError
        it is not installed
    """
    if importlib.util.find_spec("ray") is None:
        raise ConfigError("--ray needs Ray; install it with: pip install 'flam-audio[bulk]'")


def render_ray(scenes: SceneSet, paths: Sequence[Path], address: str) -> Iterator[tuple[Path, ShardRecord | FlamError]]:
    """Make each shard as one task of a Ray cluster, whose machines share the folder of the set and the library.

    Parameters
    ----------
    address : str
        of the cluster; "local" starts Ray on this machine

    Raises
    ------
    ConfigError
        Ray is not installed, or the cluster can't be reached
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers of every run
    require_ray()
    import ray
    import ray.data

    started_here = not ray.is_initialized()
    if started_here:
        try:
            ray.init(address=address, include_dashboard=False, log_to_driver=False)
        except Exception as error:  # Ray raises errors of many kinds, plain Exception among them
            raise ConfigError(f"--ray {address}: can't be reached ({error}); start it, or use --workers") from error
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        n_processors = max(int(ray.cluster_resources().get("CPU", 1)), 1)
        # a block a shard, so that each is a task of its own
        items = ray.data.from_items([str(path) for path in paths], override_num_blocks=len(paths))
        made = items.map(
            _Maker,  # type: ignore[arg-type]
            fn_constructor_args=(scenes,),
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(n_processors, len(paths))),
            num_cpus=1,
        )
        for row in made.iter_rows():
            yield Path(row["path"]), row["outcome"]
    finally:
        if started_here:
            ray.shutdown()


class _Maker:
    """An actor that holds the set, and so what rendering remembers from shard to shard."""

    def __init__(self, scenes: SceneSet):
        self._scenes = scenes

    def __call__(self, row: dict[str, str]) -> dict[str, object]:
        return {"path": row["item"], "outcome": self._scenes.make(Path(row["item"]))}


def _crashed(path: Path) -> FlamError:
    return AudioError(f"{path}: ended the process that made it; free some memory or use fewer --workers, and run again")
