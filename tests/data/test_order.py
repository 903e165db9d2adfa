"""Positions are found without counting up to them; here they are counted up to."""

from collections import Counter

import pytest

from flam.core import ConfigError
from flam.data.order import BLOCK, EpochOrder, Mixture, ShardOrder


def test_every_item_comes_once_an_epoch_in_another_order_each():
    order = EpochOrder(50, (3,))
    epochs = [[order.item(epoch * 50 + place) for place in range(50)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] == [EpochOrder(50, (3,)).item(place) for place in range(50)]
    assert epochs[0] != [EpochOrder(50, (4,)).item(place) for place in range(50)]


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_every_row_of_every_shard_comes_once_an_epoch(at_once):
    sizes = [5, 0, 3, 7, 1, 2]
    order = ShardOrder(sizes, at_once, (3,))
    every_row = {(shard, row) for shard, size in enumerate(sizes) for row in range(size)}
    for epoch in range(3):
        rows = [order.row(epoch * 18 + place) for place in range(18)]
        assert {row[0] for row in rows} == {epoch}
        assert len(rows) == len(every_row)
        assert {row[1:] for row in rows} == every_row


def test_few_shards_are_in_use_at_a_time_and_mixed():
    order = ShardOrder([10] * 6, shards_at_once=2, key=(0,))
    shards = [order.row(place)[1] for place in range(60)]
    pairs = [set(shards[start : start + 20]) for start in (0, 20, 40)]
    assert [len(pair) for pair in pairs] == [2, 2, 2]
    assert len(set.union(*pairs)) == 6
    assert len(set(shards[:10])) == 2


def test_shares_are_exact_and_each_source_counts_its_own_items():
    mixture = Mixture([0.5, 0.3, 0.2], (1,))
    counted: Counter[int] = Counter()
    for position in range(3 * BLOCK):
        source, ordinal = mixture.pick(position)
        assert ordinal == counted[source]
        counted[source] += 1
    assert [counted[source] for source in range(3)] == [1500, 900, 600]


def test_thirds_fill_a_block():
    counted = Counter(source for source, _ in map(Mixture([1, 1, 1], (1,)).pick, range(BLOCK)))
    assert sorted(counted.values()) == [333, 333, 334]


@pytest.mark.parametrize("weights", [[], [1.0, 0.0], [1.0, -1.0], [1.0, 1e-5]])
def test_weights_that_make_no_mixture_are_refused(weights):
    with pytest.raises(ConfigError, match="weights"):
        Mixture(weights, (1,))
