"""The mailbox's model: bytes come once and in order, and what is wrong has no effect."""

import pytest

from shotveil.models.host_link.mailbox import (
    CHUNK_BYTES,
    CHUNKS,
    DOWN,
    IDENTITY,
    POSITIONS,
    REGISTER_BYTES,
    RING,
    ROWS_BYTES,
    UP,
    Control,
    MailboxModel,
    MailboxRegister,
)


def put(model, data):
    """Bytes into the ring, a lane at a time, and the head behind them."""
    for k, byte in enumerate(data):
        place = (model.down_head + k) % RING
        assert model.write(DOWN + (place & ~3), byte << 8 * (place % 4), 1 << place % 4)
    return model.write(MailboxRegister.DOWN_HEAD, (model.down_head + len(data)) % POSITIONS)


def got(model):
    """All bytes from the node."""
    count = (model.up_head - model.up_tail) % POSITIONS
    places = [(model.up_tail + k) % RING for k in range(count)]
    words = {p & ~3: model.read(UP + (p & ~3)) for p in places}
    assert all(right for _, right in words.values())
    assert model.write(MailboxRegister.UP_TAIL, model.up_head)
    return bytes(words[p & ~3][0] >> 8 * (p % 4) & 0xFF for p in places)


def test_bytes_go_round_the_rings_many_times():
    model = MailboxModel()
    assert model.read(MailboxRegister.IDENTITY) == (IDENTITY, True)
    for k in range(200):
        data = bytes((k + n) % 256 for n in range(1 + 37 * k % RING))
        assert put(model, data) and model.take() == data and model.take() == b""
        assert model.give(data) == len(data) and got(model) == data
    assert model.down_head == model.down_tail != 0


def test_a_ring_takes_what_it_holds_and_no_more():
    model = MailboxModel()
    assert put(model, bytes(RING)) and not put(model, b"x")
    assert model.down_head == RING
    assert model.give(bytes(RING + 5)) == RING and model.give(b"x") == 0
    assert not model.write(MailboxRegister.UP_TAIL, RING + 1)
    assert got(model) == bytes(RING)


@pytest.mark.parametrize(
    ("address", "word", "strobe"),
    [
        (MailboxRegister.IDENTITY, IDENTITY, 15),
        (MailboxRegister.DOWN_TAIL, 0, 15),
        (MailboxRegister.CONTROL, 4, 15),
        (MailboxRegister.CONTROL, 1, 7),
        (MailboxRegister.DOWN_HEAD, POSITIONS, 15),
        (MailboxRegister.CHUNK_PLACE, 4, 15),
        (MailboxRegister.CHUNK_COUNT, 0, 15),
        (MailboxRegister.CHUNK_COUNT, CHUNK_BYTES + 1, 15),
        (MailboxRegister.ROWS_PLACE, ROWS_BYTES + 8, 15),
        (REGISTER_BYTES, 0, 15),
        (UP, 0, 15),
        (DOWN + RING, 0, 15),
    ],
)
def test_wrong_writes_have_no_effect(address, word, strobe):
    model = MailboxModel()
    before = [model.read(register) for register in MailboxRegister]
    assert not model.write(address, word, strobe)
    assert [model.read(register) for register in MailboxRegister] == before
    for nowhere in (REGISTER_BYTES, DOWN, UP - 4, UP + RING, -4):
        assert model.read(nowhere) == (0, False)


def test_the_memory_for_rows_stays_through_a_flush():
    model = MailboxModel()
    assert model.read(MailboxRegister.ROWS_PLACE) == (0, True)
    assert model.write(MailboxRegister.ROWS_PLACE, 5 * ROWS_BYTES)
    assert model.write(MailboxRegister.CONTROL, Control.FLUSH)
    assert model.read(MailboxRegister.ROWS_PLACE) == (5 * ROWS_BYTES, True)


def test_chunks_come_from_memory_with_zeros_where_it_fails():
    memory = {at: at % 251 for at in range(1000, 1100) if not 1040 <= at < 1048}
    model = MailboxModel(memory)
    model.write(MailboxRegister.CONTROL, Control.MEMORY)
    model.write(MailboxRegister.CHUNK_PLACE, 1032)
    assert model.write(MailboxRegister.CHUNK_COUNT, 21)
    assert model.read(MailboxRegister.CHUNK_COUNT) == (1, True)
    due = [at % 251 for at in range(1032, 1040)] + [0] * 8 + [at % 251 for at in range(1048, 1053)]
    assert model.take() == bytes(due)
    assert model.read(MailboxRegister.CHUNKS_DONE) == (1, True) and model.bad_words == 1
    for _ in range(CHUNKS):
        assert model.write(MailboxRegister.CHUNK_COUNT, 1)
    assert not model.write(MailboxRegister.CHUNK_COUNT, 1)
    assert model.write(MailboxRegister.CONTROL, Control.FLUSH)
    assert model.take() == b"" and model.read(MailboxRegister.CHUNKS_DONE) == (0, True)


def test_each_register_is_a_word_of_its_own():
    assert sorted(MailboxRegister) == list(range(0, REGISTER_BYTES, 4))
