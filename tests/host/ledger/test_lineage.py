"""Lineage: which networks share an account, by their weights and by the owner's word."""

import numpy as np
import pytest

from shotveil.host.leakage.composition import ChannelClass
from shotveil.host.ledger.budget import BudgetFilter
from shotveil.host.ledger.lineage import RELATED, cosine, sketches, threshold
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Layer, Network

SECRET = bytes(32)
RNG = np.random.default_rng(4)
FIRST, SECOND = RNG.normal(size=(60, 50)), RNG.normal(size=(10, 60))
NETWORK = Network("mine", (Layer(FIRST), Layer(SECOND)))


def like(name, first, second=SECOND):
    return Network(name, (Layer(first), Layer(second)))


def one_bit():
    weights = FIRST.astype(np.float32)
    weights.view(np.uint32)[0, 0] ^= 1
    return weights


@pytest.fixture
def ledger(tmp_path):
    with BudgetFilter(tmp_path / "ledger.db", create=True) as ledger:
        ledger.register(NETWORK)
        yield ledger


@pytest.mark.parametrize(
    "first",
    [
        one_bit(),
        FIRST * 3,
        FIRST.astype(np.float16),
        -FIRST,
        FIRST + RNG.normal(size=FIRST.shape),  # trained on until half of it is new
    ],
)
def test_a_network_whose_weights_are_alike_has_the_same_account(ledger, first):
    again = like("again", first, RNG.normal(size=SECOND.shape))
    assert again.digest != NETWORK.digest
    assert ledger.register(again) is ledger.register(NETWORK)
    ledger.open_session(
        "s", again.digest, "alice", 12.0, [ChannelClass(1.0, 0.0)] * 2, 1e-10, 110.0
    )
    assert ledger.accounts.networks[NETWORK.digest].total.disclosed == 110
    assert ledger.accounts.find("again") == ledger.accounts.find("mine")
    path = ledger.log.path
    ledger.close()
    with BudgetFilter(path) as later:
        account = later.accounts.account_of(again.digest)
        assert account is later.accounts.account_of(NETWORK.digest) and len(account.members) == 2


def test_another_training_has_an_account_of_its_own(ledger):
    for seed in range(20):
        rng = np.random.default_rng(100 + seed)
        other = like(f"n{seed}", rng.normal(size=FIRST.shape), rng.normal(size=SECOND.shape))
        assert ledger.register(other) is ledger.accounts.networks[other.digest]
    assert len(ledger.accounts.networks) == 21


def test_the_cosine_of_sketches_is_that_of_the_weights():
    rng, errors = np.random.default_rng(9), []
    for wanted in np.linspace(0, 0.9, 40):
        shape = (80, 70)
        a, b = rng.normal(size=(2, *shape))
        b = wanted * a + np.sqrt(1 - wanted**2) * b
        one, other = (sketches(Network("n", (Layer(x),)), SECRET)[0] for x in (a, b))
        true = np.corrcoef(a.ravel(), b.ravel())[0, 1]
        errors.append(cosine(one, other) - true)
        assert cosine(one, one) == pytest.approx(1)
    assert np.std(errors) < 1.5 / np.sqrt(1024) and max(map(abs, errors)) < RELATED


def test_small_layers_have_to_be_more_alike():
    assert threshold(10**6) == RELATED and threshold(100) == pytest.approx(0.6)
    assert threshold(4) == 0.999


def test_the_owners_word_joins_and_separates(ledger):
    turned = like("turned", FIRST[::-1], SECOND[:, ::-1])
    account = ledger.accounts.networks[NETWORK.digest]
    assert ledger.register(turned, lineage="mine") is account
    with pytest.raises(RangeError, match="charged to the account of mine already"):
        ledger.register(turned, new_account=True)
    apart = like("apart", one_bit())
    assert ledger.register(apart, new_account=True) is not account
    assert ledger.register(apart) is ledger.accounts.networks[apart.digest]
    with pytest.raises(RangeError, match="charged to the account of apart already"):
        ledger.register(apart, lineage="mine")
    with pytest.raises(RangeError, match="fits 0 in the ledger"):
        ledger.register(like("x", FIRST), lineage="nobody")
    wide = Network("wide", (Layer(RNG.normal(size=(61, 50))), Layer(RNG.normal(size=(10, 61)))))
    with pytest.raises(RangeError, match="has other layers than mine"):
        ledger.register(wide, lineage="mine")


def test_a_shared_layer_in_another_network_needs_the_owners_word(ledger):
    head = like("head", FIRST, RNG.normal(size=(7, 60)))
    with pytest.raises(RangeError, match=r"layer 0 of head is like one of mine.*--new-account"):
        ledger.register(head)
    assert ledger.register(head, new_account=True).name == "head"


def test_without_the_secret_a_sketch_is_another_one():
    one, other = (sketches(NETWORK, secret)[0] for secret in (SECRET, bytes(range(32))))
    assert abs(cosine(one, other)) < RELATED
