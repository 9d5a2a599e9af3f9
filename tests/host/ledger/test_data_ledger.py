"""The client's ledger: what is charged, to which image, and what a budget refuses."""

import json
import re

import numpy as np
import pytest

from shotveil.host.leakage.catalogue import DATA_BOUND, DATA_BOUNDS
from shotveil.host.leakage.data import data_leakage
from shotveil.host.ledger.data_ledger import DataBudgetExhausted, DataLedger
from shotveil.host.ledger.event_log import EventLog
from shotveil.models.common.checks import RangeError

ONE, OTHER = np.full((1, 6), 0.25), np.full((1, 6), 0.5)
G = 1.0  # at a gain of 2


@pytest.fixture
def ledger(tmp_path):
    opened = DataLedger(tmp_path / "data.db")
    yield opened
    opened.close()


def test_layers_add_up_over_the_elements_of_the_image(ledger):
    ledger.charge(ONE, 2.0, [9, 4], [6, 9])
    for name, found in ledger.leakage().items():
        first, second = (float(data_leakage(G, *size)[name]) for size in ((9, 3), (4, 5)))
        assert found["most"] == pytest.approx((6 * first + 9 * second) / 6, rel=1e-12)
        assert found["mean"] == found["most"]
    assert list(ledger.leakage()) == list(DATA_BOUNDS) and ledger.images == 1


def test_rows_accumulate_and_the_highest_gain_counts(ledger):
    ledger.charge(ONE, 2.0, [9], [6])
    ledger.charge(ONE, 1.5, [5], [6])
    assert ledger.leakage()["qcrb"]["most"] == pytest.approx(float(data_leakage(G, 14, 3)["qcrb"]))
    ledger.charge(ONE, 4.0, [1], [6])
    most = float(data_leakage(1.5, 15, 3)["qcrb"])
    assert ledger.leakage()["qcrb"]["most"] == pytest.approx(most)


def test_images_are_told_apart(ledger):
    assert ledger.leakage()["holevo"] == {"mean": 0, "most": 0}
    ledger.charge(np.concatenate([ONE, OTHER]), 2.0, [9], [6])
    ledger.charge(ONE, 2.0, [9], [6])
    found = ledger.leakage()["qcrb"]
    once, twice = (float(data_leakage(G, rows, 3)["qcrb"]) for rows in (9, 18))
    assert ledger.images == 2
    assert found == pytest.approx({"mean": (once + twice) / 2, "most": twice})


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


def test_it_is_kept_and_found_again(tmp_path):
    first = DataLedger(tmp_path / "data.db")
    first.charge(ONE, 2.0, [9, 4], [6, 9])
    before = first.leakage()
    first.close()
    again = DataLedger(tmp_path / "data.db", budget=0.0)
    assert again.leakage() == before and again.images == 1
    with pytest.raises(DataBudgetExhausted):
        again.charge(ONE, 1.001, [1], [6])
    again.close()
    with EventLog(tmp_path / "data.db", writable=False) as log:
        (event,) = (each for each in log.events() if each.kind == "asked")
    # The image is known by a keyed hash, not by what it shows.
    assert event.body["rows"] == [9, 4] and len(event.body["images"][0]) == 32
    assert "0.25" not in json.dumps(event.body)


def test_refuses(tmp_path):
    with pytest.raises(RangeError, match=r"data budget = -1 is outside \[0, ∞\)"):
        DataLedger(tmp_path / "data.db", -1.0)
    with pytest.raises(RangeError, match="data bound = 'crb' is none of crb_v1, crb_prx"):
        DataLedger(tmp_path / "data.db", 1.0, "crb")
    ledger = DataLedger(tmp_path / "data.db", 1.0)
    assert ledger.bound == DATA_BOUND
    with pytest.raises(RangeError, match=r"gain = 1 is outside \(1, ∞\)"):
        ledger.charge(ONE, 1.0, [9], [6])
    ledger.close()
    without_limit = DataLedger(tmp_path / "data.db")
    with pytest.raises(RangeError, match=r"gain = 1 is outside \(1, ∞\)"):
        without_limit.charge(ONE, 1.0, [9], [6])
    assert without_limit.images == 0
    without_limit.close()
    with EventLog(tmp_path / "other.db") as log:
        log.append("asked", {"images": ["a"], "gain": 2.0})
    with pytest.raises(RangeError, match="is no data ledger"):
        DataLedger(tmp_path / "other.db")
