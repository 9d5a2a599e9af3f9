"""Parts of fixed size with a generator each."""

import numpy as np

from shotveil.host.run import schedule
from shotveil.host.run.schedule import Part, block_of, generator, row_blocks
from shotveil.models.link.encoding import EncodedRows


def test_the_sizes_are_those_that_results_depend_on():
    assert schedule.IMAGES_IN_BATCH == 256 and schedule.READINGS_IN_BLOCK == 65536


def test_blocks_cover_all_rows_once():
    assert list(row_blocks(600, 256)) == [(0, 256), (256, 512), (512, 600)]
    assert list(row_blocks(512, 256)) == [(0, 256), (256, 512)]
    assert list(row_blocks(2, 1 << 17)) == [(0, 1), (1, 2)]
    assert list(row_blocks(70_000, 1)) == [(0, 65536), (65536, 70_000)]


def test_a_block_keeps_the_scale():
    rows = EncodedRows(np.arange(6.0).reshape(3, 2), -np.arange(6.0).reshape(3, 2), 2.5)
    block = block_of(rows, 1, 2)
    assert block.x.tolist() == [[2, 3]] and block.p.tolist() == [[-2, -3]] and block.scale == 2.5


def test_a_generator_is_named_by_its_batch_and_part():
    first, second = np.random.SeedSequence(7).spawn(2)
    draws = {
        generator(batch, *part).integers(1 << 62)
        for batch in (first, second)
        for part in ((0, 0), (0, 5), (1, 0), (1, 0, 1))
    }
    assert len(draws) == 8
    again = np.random.SeedSequence(7).spawn(1)[0]
    assert generator(again, 0, 5).integers(1 << 62) in draws
    expected = np.random.default_rng(np.random.SeedSequence(7, spawn_key=(0, 0, 5)))
    assert generator(first, 0, 5).random() == expected.random()


def test_a_part_has_decoys_of_its_own_only_where_it_says_so():
    assert Part(0, 5).decoys is None and Part(0, 5, (1,)).decoys == (1,)
