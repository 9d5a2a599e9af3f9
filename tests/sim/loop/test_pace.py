"""Frames that a host link can follow: no longer than they have to be."""

from shotveil.models.node.light import layout_of
from shotveil.sim.loop.pace import IDLE, paced, sent_bytes


def test_only_rows_that_the_link_brings_too_slowly_get_a_longer_guard():
    """A row of 3,073 symbols left late each time: the compiled node's client read nothing of it."""
    for modes in (5, 144, 392, 784, 1568):
        layout = layout_of(modes)
        assert sent_bytes(modes) <= 4 * layout.length and paced(layout, 4) == layout
    bare = layout_of(3073)
    assert sent_bytes(3073) > 4 * bare.length
    longer = paced(bare, 4)
    clocks = 4 * longer.length / sent_bytes(3073)
    assert 1 + IDLE <= clocks < 1.001 * (1 + IDLE)
    assert longer.guard > bare.guard and longer.row == 3073 and longer.groups == bare.groups


def test_symbols_of_two_samples_need_more():
    bare = layout_of(392)
    assert paced(bare, 2).length > 1.8 * bare.length
