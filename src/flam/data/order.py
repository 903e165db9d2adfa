"""Which item comes when: computed from the position alone, so that any step can be made without the steps before."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from flam.core import ConfigError

BLOCK = 1000


@lru_cache(maxsize=16)
def permutation(n: int, *key: int) -> np.ndarray:
    """The numbers below n in an order that depends on the key alone; kept for the next call, not to be written to.

    Examples
    --------
    >>> sorted(permutation(4, 7, 0).tolist())
    [0, 1, 2, 3]
    """
    order = np.random.Generator(np.random.PCG64(key)).permutation(n)
    order.flags.writeable = False
    return order


class EpochOrder:
    """Every item once an epoch, each epoch in another order.

    Parameters
    ----------
    n : int
        items, at least 1
    key : tuple[int, ...]
        seed

    Examples
    --------
    >>> order = EpochOrder(3, (5,))
    >>> sorted(order.item(place) for place in range(3, 6))
    [0, 1, 2]
    """

    def __init__(self, n: int, key: tuple[int, ...]):
        self._n, self._key = n, key

    def item(self, ordinal: int) -> int:
        """The item at a place of the endless sequence."""
        epoch, place = divmod(ordinal, self._n)
        return int(permutation(self._n, *self._key, epoch)[place])


class ShardOrder:
    """Every row of every shard once an epoch; few shards are in use at a time.

    Shards are put in another order each epoch; ``shards_at_once`` neighbours are opened together and their rows mixed.

    Parameters
    ----------
    sizes : Sequence[int]
        rows of each shard, at least one row in all
    shards_at_once : int
        more mix better, and need as many shards on the disk at once
    key : tuple[int, ...]
        seed

    Examples
    --------
    >>> order = ShardOrder([2, 1], shards_at_once=1, key=(5,))
    >>> sorted(order.row(place)[1:] for place in range(3))
    [(0, 0), (0, 1), (1, 0)]
    """

    def __init__(self, sizes: Sequence[int], shards_at_once: int, key: tuple[int, ...]):
        self._sizes, self._key, self._at_once = np.array(sizes), key, shards_at_once
        self._total = int(self._sizes.sum())

    def row(self, ordinal: int) -> tuple[int, int, int]:
        """Epoch, shard, and row in the shard, at a place of the endless sequence."""
        epoch, place = divmod(ordinal, self._total)
        order = permutation(len(self._sizes), *self._key, epoch)
        group_starts = np.concatenate([[0], np.cumsum(self._sizes[order])])[:: self._at_once]
        group = int(np.searchsorted(group_starts, place, side="right")) - 1
        shards = order[group * self._at_once : (group + 1) * self._at_once]
        ends = np.cumsum(self._sizes[shards])
        place = int(permutation(int(ends[-1]), *self._key, epoch, group)[place - group_starts[group]])
        which = int(np.searchsorted(ends, place, side="right"))
        shard = int(shards[which])
        return epoch, shard, place - int(ends[which] - self._sizes[shard])


class Mixture:
    """Which source a position takes its item from, in fixed shares.

    Every thousand positions hold each source exactly by its share, in a random order.

    Parameters
    ----------
    weights : Sequence[float]
        of the sources, in any unit
    key : tuple[int, ...]
        seed

    Raises
    ------
    ConfigError
        no weights, or one that is not positive or below a thousandth of all

    Examples
    --------
    >>> mixture = Mixture([3.0, 1.0], (5,))
    >>> [source for source, _ in map(mixture.pick, range(1000))].count(0)
    750
    """

    def __init__(self, weights: Sequence[float], key: tuple[int, ...]):
        if not weights or min(weights) <= 0:
            raise ConfigError(f"weights {list(weights)} must all be positive; remove a source that is not wanted")
        shares = BLOCK * np.array(weights, dtype=np.float64) / sum(weights)
        self._counts = np.floor(shares).astype(int)
        remainders = np.argsort(self._counts - shares, kind="stable")
        self._counts[remainders[: BLOCK - self._counts.sum()]] += 1
        if self._counts.min() == 0:
            raise ConfigError(f"weights {list(weights)}: the smallest is below 1/{BLOCK} of all; raise or remove it")
        self._key = key

    def pick(self, position: int) -> tuple[int, int]:
        """Source of a position, and how many positions before it took from the same source."""
        block, place = divmod(position, BLOCK)
        slots = np.repeat(np.arange(len(self._counts)), self._counts)[permutation(BLOCK, *self._key, block)]
        source = int(slots[place])
        return source, block * int(self._counts[source]) + int((slots[:place] == source).sum())
