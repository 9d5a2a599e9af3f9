"""The model owner's page: the figures of the ledger, live, and nothing that nobody may know."""

import base64
import json
import math

import pytest

from shotveil.host.adversaries.attacks import interference
from shotveil.host.console.hub import text_of
from shotveil.host.console.server_books import ServerBooks
from shotveil.host.leakage.composition import ChannelClass
from shotveil.host.ledger import odometer
from shotveil.host.ledger.stores import make_ledger
from shotveil.host.protocol.wire import ProtocolError
from shotveil.host.verification.levels import FALSE_ALARM_PROBABILITY
from shotveil.models.common.checks import RangeError
from tests.host.console.conftest import until
from tests.host.parties.parties import IMAGES, LINK, NETWORK, parties


def test_the_page_follows_the_ledger_while_the_server_writes_it(tmp_path):
    with parties(tmp_path, budget=50.0) as (ledger, _, client):
        books = ServerBooks(tmp_path / "ledger.db")
        try:
            topics = until({}, books, lambda t: "networks" in t)
            assert topics["networks"][0]["bits"]["declared"] == 0 and topics["evidence"] == []
            alice = client()
            alice.classify(IMAGES[:200])
            until(topics, books, lambda t: t["rate"]["images"] >= 200)
            until(topics, books, lambda t: t["head"]["events"] == ledger.log.head.sequence)
            (report,) = odometer.report(ledger.accounts)
            (shown,) = topics["networks"]
            assert shown["bits"] == report["leakage_bits"] and shown["budget"]["bits"] == 50
            assert shown["left"] == report["remaining_inferences"] and shown["open"] == 1
            assert shown["clients"][0]["bits"] == report["clients"][0]["leakage_bits"]
            assert topics["rate"]["images_per_second"] > 0
            (evidence,) = topics["evidence"]
            assert evidence["client"] == "alice" and not evidence["refused"]
            assert max(evidence["excess"], evidence["loss"]) < evidence["limit"]
            # Three tests share the level, as this light is not drawn symbol by symbol.
            assert evidence["limit"] == pytest.approx(math.log(3 / FALSE_ALARM_PROBABILITY))
            for layer, light in enumerate(evidence["light"]):
                declared = LINK.declared_transmittance_at(NETWORK.layers[layer].modes)
                assert light["declared"][0] == pytest.approx(float(declared))
                for name, true in zip(("transmittance", "excess_noise"), light["declared"],
                                      strict=True):  # fmt: skip
                    assert abs(light[name] - true) < 5 * light[f"{name}_error"]
        finally:
            books.close()


def test_the_estimates_are_those_of_verification(tmp_path):
    with parties(tmp_path) as (ledger, _, client):
        books = ServerBooks(tmp_path / "ledger.db")
        try:
            client().classify(IMAGES[:100])
            topics = until({}, books, lambda t: t.get("evidence"))
            until(topics, books, lambda t: t["head"]["events"] == ledger.log.head.sequence)
            session = ledger.accounts.networks[NETWORK.digest].last_session
            for light, channel in zip(
                topics["evidence"][0]["light"], session.channels, strict=True
            ):
                seen = channel.estimated
                # The ledger keeps a channel rounded, and from the last certificate on.
                assert light["transmittance"] == pytest.approx(seen.transmittance, abs=0.03)
                assert light["excess_noise"] == pytest.approx(seen.excess_noise, abs=0.1)
        finally:
            books.close()


def test_a_tap_is_on_the_page(tmp_path):
    tap = interference("tap", 0.2)
    with parties(tmp_path, symbol_level=True, interference=tap) as (_, _, client):
        books = ServerBooks(tmp_path / "ledger.db")
        try:
            with pytest.raises(ProtocolError):
                client("mallory").classify(IMAGES[:60])
            topics = until({}, books, lambda t: t.get("evidence") and t["evidence"][0]["refused"])
            (evidence,) = topics["evidence"]
            assert evidence["loss"] > evidence["limit"] and "transmittance" in evidence["refused"]
            assert evidence["limit"] == pytest.approx(math.log(5 / FALSE_ALARM_PROBABILITY))
            light = evidence["light"][0]
            assert light["transmittance"] < light["declared"][0] - 0.1
            assert any("is refused" in event["text"] for event in topics["events"])
        finally:
            books.close()


def test_the_ledger_of_a_fleet_is_followed_over_all_its_servers(database):
    from shotveil.host.ledger.fleet import FleetFilter

    make_ledger(database)
    books = ServerBooks(database)
    try:
        topics = until({}, books, lambda t: "networks" in t)
        assert topics["networks"] == [] and "fleet.key" not in str(topics)
        with FleetFilter(database) as one, FleetFilter(database) as other:
            one.register(NETWORK)
            other.set_budget(NETWORK.digest, 50.0, "declared")
            good = [ChannelClass(0.9, 0.01)] * 2
            other.open_session("s", NETWORK.digest, "bob", 2.0, good, 1e-6, 4.0)
            one_row = other.reserve("s", 0, 0, 1, 7)
            other.commit(one_row)
            head = other.log.head.sequence
            until(topics, books, lambda t: t["head"]["events"] == head)
            (report,) = odometer.report(other.accounts)
        (shown,) = topics["networks"]
        assert shown["bits"] == report["leakage_bits"] and shown["budget"]["bits"] == 50
        assert shown["bits"]["declared"] > 0
    finally:
        books.close()


def test_neither_weights_nor_keys_nor_images_are_on_the_page(tmp_path):
    """Every byte that a page can get: each secret, in the forms in which it could slip out."""
    with parties(tmp_path, budget=50.0) as (ledger, _, client):
        books = ServerBooks(tmp_path / "ledger.db")
        try:
            client().classify(IMAGES[:50])
            topics = until({}, books, lambda t: t.get("evidence"))
            sketches = ledger.accounts.networks[NETWORK.digest].sketches
            secrets = [ledger.log.secret, ledger.log.signing_secret,
                       (tmp_path / "ledger.db.key").read_bytes()]  # fmt: skip
        finally:
            books.close()
    told = text_of({name: json.dumps(value) for name, value in topics.items()})
    for secret in secrets:
        assert_hidden(told, secret)
    for each in sketches.values():
        assert all(str(sketch) not in told for sketch in each)
    for layer in NETWORK.layers:
        for weight in layer.weights.ravel()[:200].tolist():
            assert repr(round(weight, 5))[:7] not in told
    assert NETWORK.digest not in told  # its first digits are enough for a person
    # What there is to know has few numbers: no room for the 3,264 weights or for an image.
    assert set(topics) == {"page", "rate", "networks", "evidence", "events", "head", "trouble"} | (
        set(topics) & {"trouble"}
    )
    assert len(told) < 20_000


def assert_hidden(told, secret):
    as_text = (base64.b64encode(secret), base64.urlsafe_b64encode(secret))
    assert all(form.decode().rstrip("=") not in told for form in as_text)
    assert secret.hex() not in told and json.dumps(list(secret)) not in told


def test_another_file_is_refused(tmp_path):
    with pytest.raises(RangeError, match="not found"):
        ServerBooks(tmp_path / "none.db")
