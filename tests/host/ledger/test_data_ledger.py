"""The client's ledger: rows add up per image, under one bound, and no image goes over budget."""

import hashlib
import hmac
import json
import re
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shotveil.host.leakage.catalogue import DATA_BOUNDS
from shotveil.host.leakage.data import data_leakage
from shotveil.host.ledger.data_ledger import DataBudgetExhausted, DataLedger
from shotveil.host.ledger.event_log import EventLog
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import noise_quantum

crb_prx, qcrb, holevo = (DATA_BOUNDS[name] for name in ("crb_prx", "qcrb", "holevo"))
IMAGES = np.arange(24, dtype=np.float32).reshape(4, 6)
ROWS, COLUMNS = [10, 3], [7, 10]


@pytest.fixture
def ledger(tmp_path):
    ledger = DataLedger(tmp_path / "data.db")
    yield ledger
    ledger.close()


def expected(bound, gain, *layers):
    """Bits per element of an image that met (rows, columns) of each layer at a gain."""
    g = noise_quantum(gain)
    # A last mode that holds one value counts as full.
    modes = [(rows, -(-columns // 2)) for rows, columns in layers]
    total = sum(2 * count * float(bound(g, rows, count)) for rows, count in modes)
    return total / layers[0][1]


def all_of(mean, most):
    """What the ledger tells of images of 7 values with these bits per element."""
    return {"mean": mean, "most": most, "image_mean": 7 * mean, "image_most": 7 * most}


def most(ledger, bound="qcrb"):
    return ledger.leakage()[bound]["most"]


@pytest.mark.parametrize("name, bound", [("qcrb", qcrb), ("crb_prx", crb_prx), ("holevo", holevo)])
def test_layers_add_up_over_the_elements_of_the_image(ledger, name, bound):
    assert ledger.leakage()[name] == all_of(0.0, 0.0) and ledger.images == 0
    ledger.charge(IMAGES[:1], 1.5, ROWS, COLUMNS)
    value = expected(bound, 1.5, (10, 7), (3, 10))
    assert ledger.leakage()[name] == pytest.approx(all_of(value, value))


def test_rows_accumulate_per_image_layer_and_width(ledger):
    ledger.charge(IMAGES[:2], 1.5, ROWS, COLUMNS)
    ledger.charge(IMAGES[:1], 1.5, [5, 2], COLUMNS)
    ledger.charge(IMAGES[1:2], 1.5, [5, 2], [7, 20])  # another network: another second layer
    one = expected(qcrb, 1.5, (15, 7), (5, 10))
    other = expected(qcrb, 1.5, (15, 7), (3, 10), (2, 20))
    found = ledger.leakage()["qcrb"]
    assert found == pytest.approx(all_of((one + other) / 2, max(one, other)))
    assert ledger.images == 2


def test_an_image_that_comes_twice_in_a_batch_is_charged_twice(ledger):
    ledger.charge(IMAGES[[0, 1, 0]], 1.5, ROWS, COLUMNS)
    assert ledger.images == 2
    assert most(ledger) == pytest.approx(expected(qcrb, 1.5, (20, 7), (6, 10)))


def test_light_that_a_loss_imbalance_returns_counts_and_is_kept(ledger, tmp_path):
    ledger.charge(IMAGES[:1], 1.5, ROWS, COLUMNS, [0.25, 0.0])
    ledger.charge(IMAGES[:1], 1.5, ROWS, COLUMNS, [0.125, 0.0])
    g = noise_quantum(1.5)
    found = ledger.leakage()
    for name, bound in DATA_BOUNDS.items():
        first = 2 * 4 * float(bound(g, 20, 4, 0.25))
        assert found[name]["image_most"] == pytest.approx(first + 2 * 5 * float(bound(g, 6, 5)))
    assert found["holevo"]["most"] > expected(holevo, 1.5, (20, 7), (6, 10))
    with pytest.raises(RangeError, match="coherent photons = -1"):
        ledger.charge(IMAGES[:1], 1.5, ROWS, COLUMNS, [-1.0, 0.0])
    ledger.close()
    again = DataLedger(tmp_path / "data.db")
    assert again.leakage() == found
    again.close()


def test_the_highest_gain_counts_for_all_rows(ledger):
    for gain in (1.2, 2.0, 1.1):
        ledger.charge(IMAGES[:1], gain, ROWS, COLUMNS)
    assert most(ledger) == pytest.approx(expected(qcrb, 2.0, (30, 7), (9, 10)))


def test_images_are_known_by_a_keyed_hash_of_what_they_hold(tmp_path):
    with_key = DataLedger(tmp_path / "data.db")
    with_key.charge(IMAGES[:2], 1.5, ROWS, COLUMNS)
    # The same numbers in another type or layout are the same image; a bit more is another.
    with_key.charge(np.asfortranarray(IMAGES[:2].astype(np.float64)), 1.5, ROWS, COLUMNS)
    assert with_key.images == 2
    with_key.charge(np.nextafter(IMAGES[:1], np.float32(99)), 1.5, ROWS, COLUMNS)
    assert with_key.images == 3
    with_key.close()
    with EventLog(tmp_path / "data.db", writable=False) as log:
        first, *_ = log.events()
        names = [
            hmac.new(log.secret, image.astype("<f4").tobytes(), hashlib.sha256).hexdigest()[:32]
            for image in IMAGES[:2]
        ]
    assert first.kind == "asked"
    assert first.body == {"images": names, "gain": 1.5, "rows": ROWS, "columns": COLUMNS}
    other = DataLedger(tmp_path / "other.db")
    other.charge(IMAGES[:1], 1.5, ROWS, COLUMNS)
    assert names[0] not in other._images and len(other._images) == 1
    other.close()


def test_a_budget_is_kept_to_the_row_and_a_refusal_charges_nothing(tmp_path):
    limit = expected(qcrb, 1.5, (10, 7), (3, 10))
    path = tmp_path / "data.db"
    ledger = DataLedger(path, budget=limit, bound="qcrb")  # just that much is allowed
    ledger.charge(IMAGES[:2], 1.5, ROWS, COLUMNS)
    before, head = ledger.leakage(), ledger._log.head
    for images, gain, rows in (
        (IMAGES[1:2], 1.5, [0, 1]),
        (IMAGES[:3], 1.5, ROWS),  # one of them is new
        (IMAGES[3:], 1.5, [11, 3]),
        (IMAGES[3:], 1.51, ROWS),
        (IMAGES[[3, 3]], 1.5, [6, 2]),
    ):
        with pytest.raises(DataBudgetExhausted, match=rf"qcrb\) of {limit:g}; what has leaked"):
            ledger.charge(images, gain, rows, COLUMNS)
        assert ledger.leakage() == before and ledger._log.head == head and ledger.images == 2
    ledger.charge(IMAGES[3:], 1.5, [9, 3], COLUMNS)
    ledger.close()
    again = DataLedger(path, budget=0.0)
    assert again.images == 3 and most(again) == pytest.approx(limit)
    with pytest.raises(DataBudgetExhausted):
        again.charge(IMAGES[2:3], 1.5, [1, 1], COLUMNS)
    again.close()


def test_the_bound_of_a_budget_is_the_one_that_was_asked_for(tmp_path):
    at = [expected(bound, 1.5, (10, 7), (3, 10)) for bound in (crb_prx, qcrb)]
    for name, fits in (("crb_prx", True), ("qcrb", False)):
        ledger = DataLedger(tmp_path / f"{name}.db", budget=sum(at) / 2, bound=name)
        assert (ledger.budget, ledger.bound) == (sum(at) / 2, name)
        if fits:
            ledger.charge(IMAGES[:1], 1.5, ROWS, COLUMNS)
        else:
            with pytest.raises(DataBudgetExhausted, match=name):
                ledger.charge(IMAGES[:1], 1.5, ROWS, COLUMNS)
        ledger.close()


def test_the_account_goes_on_in_a_new_process(tmp_path):
    path = tmp_path / "data.db"
    ledger = DataLedger(path)
    for gain, rows in ((1.5, ROWS), (1.2, [4, 1]), (1.7, ROWS)):
        ledger.charge(IMAGES[:3], gain, rows, COLUMNS)
    before = ledger.leakage(), ledger._images
    ledger.close()
    again = DataLedger(path)
    assert (again.leakage(), again._images) == before
    again.close()


def test_what_is_no_data_ledger_is_refused_and_let_go(tmp_path):
    path = tmp_path / "data.db"
    with EventLog(path, create=True) as log:
        log.append("note", {"text": "events of another kind are not counted"})
    ledger = DataLedger(path)
    assert ledger.images == 0
    ledger.close()
    with EventLog(path, create=True) as log:
        log.append("asked", {"images": ["a"], "gain": 1.5, "rows": [1, 2], "columns": [7]})
    with pytest.raises(RangeError, match="is no data ledger"):
        DataLedger(path)
    with EventLog(path, create=True) as log:  # the file is free again
        assert json.dumps(next(iter(log.events())).body)


def test_bad_settings_are_refused_before_a_file_is_made(tmp_path):
    path = tmp_path / "data.db"
    with pytest.raises(RangeError, match="data budget = -1"):
        DataLedger(path, budget=-1.0)
    with pytest.raises(RangeError, match="guess"):
        DataLedger(path, bound="guess")
    assert not path.exists()
    ledger = DataLedger(path, budget=9.0)
    for gain in (1.0, 0.5):
        with pytest.raises(RangeError, match=r"gain"):
            ledger.charge(IMAGES, gain, ROWS, COLUMNS)
    with pytest.raises(ValueError):
        ledger.charge(IMAGES, 1.5, ROWS, [7])
    assert ledger.images == 0
    ledger.close()


charges = st.lists(
    st.tuples(
        st.lists(st.integers(0, 3), min_size=1, max_size=4),
        st.sampled_from([1.1, 1.5, 2.0]),
        st.tuples(st.integers(1, 20), st.integers(1, 20)),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=15)
@given(charges, st.randoms(use_true_random=False))
def test_charges_never_fall_and_their_order_does_not_matter(tmp_path_factory, charges, random):
    folder = tmp_path_factory.mktemp("order")
    found = []
    for name in ("one", "other"):
        ledger, last = DataLedger(folder / name), 0.0
        for images, gain, rows in charges:
            ledger.charge(IMAGES[images], gain, rows, COLUMNS)
            assert most(ledger) >= last
            last = most(ledger)
        found.append(ledger.leakage())
        ledger.close()
        charges = random.sample(charges, len(charges))
    assert found[0]["qcrb"] == pytest.approx(found[1]["qcrb"], rel=1e-12)
    assert found[0]["qcrb"]["mean"] <= found[0]["qcrb"]["most"] * (1 + 1e-12)


ONE, OTHER = np.full((1, 6), 0.25), np.full((1, 6), 0.5)
G = 1.0  # at a gain of 2


@pytest.mark.parametrize("bound", DATA_BOUNDS)
def test_a_budget_holds_for_the_worst_image_and_to_the_last_bit(tmp_path, bound):
    budget = float(data_leakage(G, 9, 3)[bound])
    ledger = DataLedger(tmp_path / "data.db", budget, bound)
    ledger.charge(ONE, 2.0, [9], [6])  # just inside
    if bound != "crb_v1":  # which rows do not enter
        with pytest.raises(DataBudgetExhausted, match=re.escape(f"({bound}) of {budget:g}")):
            ledger.charge(np.concatenate([OTHER, ONE]), 2.0, [1], [6])
    with pytest.raises(DataBudgetExhausted):
        ledger.charge(OTHER, 2.01, [9], [6])
    # Neither image was charged.
    assert ledger.images == 1 and ledger.leakage()[bound]["most"] == budget
    ledger.close()


def test_each_layer_counts_at_its_own_gain(tmp_path):
    path = tmp_path / "data.db"
    ledger = DataLedger(path, bound="qcrb")
    ledger.charge(IMAGES[:1], [1.5, 3.0], ROWS, COLUMNS)
    ledger.charge(IMAGES[:1], [1.2, 4.0], ROWS, COLUMNS)
    bits = [
        2 * ((columns + 1) // 2) * float(qcrb(noise_quantum(gain), 2 * rows, (columns + 1) // 2))
        for gain, rows, columns in zip((1.5, 4.0), ROWS, COLUMNS, strict=True)
    ]
    assert most(ledger) == pytest.approx(sum(bits) / COLUMNS[0])
    total = most(ledger)
    ledger.close()
    again = DataLedger(path, bound="qcrb")
    assert most(again) == total
    again.close()
    with (
        closing(DataLedger(tmp_path / "b.db")) as other,
        pytest.raises(RangeError, match="gain = 1 is outside"),
    ):
        other.charge(IMAGES[:1], [1.5, 1.0], ROWS, COLUMNS)


def test_the_budget_of_a_whole_image(tmp_path):
    limit = 7 * expected(holevo, 1.5, (10, 7), (3, 10))
    ledger = DataLedger(tmp_path / "image.db", image_budget=limit * (1 + 1e-12))
    ledger.charge(IMAGES[:1], 1.5, ROWS, COLUMNS)
    with pytest.raises(DataBudgetExhausted, match=rf"bits in all \(holevo\) of {limit:g}"):
        ledger.charge(IMAGES[:1], 1.5, [1, 1], COLUMNS)
    ledger.close()
    with pytest.raises(RangeError, match="image budget = -1"):
        DataLedger(tmp_path / "other.db", image_budget=-1)
