"""Servers that a client knows from their first use."""

import json

import pytest

from shotveil.host.parties.pins import Pins, PinsChanged, declared
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.models.common.checks import RangeError

HERE = "127.0.0.1:1"


def welcome(session="one", **changes):
    layer = {"rows": 3, "columns": 4, "scale": 0.1, "gain": 1.3, "photons": 6.0}
    top = {"network": "small", "digest": "ab" * 32, "transmittance_out": 1.0, "decoy_rate": 0.1}
    for name, value in changes.items():
        (layer if name in {*layer, "bias", "patches"} else top)[name] = value
    shapes = [pb.LayerShape(**layer), pb.LayerShape(**layer)]
    return pb.Welcome(session=session, layers=shapes, **top)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "servers.json"


def test_the_first_use_is_trusted_and_kept_for_the_client_alone(path):
    assert Pins(path).check(HERE, welcome())
    assert path.stat().st_mode & 0o777 == 0o600
    assert not Pins(path).check(HERE, welcome("another session"))
    assert Pins(path).check("127.0.0.1:2", welcome(network="other"))
    assert set(json.loads(path.read_text())) == {HERE, "127.0.0.1:2"}


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"network": "other"}, "network was 'small' and is 'other'"),
        ({"digest": "cd" * 32}, f"digest was '{'ab' * 32}' and is '{'cd' * 32}'"),
        ({"photons": 6e4}, "photons of layer 0 was 6.0 and is 60000.0; photons of layer 1 was"),
        ({"scale": 0.2}, "scale of layer 0 was 0.1 and is 0.2"),
        ({"gain": 2.0}, "gain of layer 0 was 1.3 and is 2.0"),
        ({"rows": 4}, "rows of layer 0 was 3 and is 4"),
        ({"columns": 5}, "columns of layer 0"),
        ({"bias": True}, "bias of layer 0 was False and is True"),
        ({"patches": 2}, "patches of layer 0"),
        ({"decoy_rate": 0.2}, "decoy rate was 0.1 and is 0.2"),
        ({"transmittance_out": 0.5}, "transmittance out was 1.0 and is 0.5"),
        ({"planned": True}, "steps at the client was False and is True"),
        ({"network": "a\x1b[31m"}, r"is 'a\x1b[31m'"),
    ],
)
def test_a_change_is_refused_with_both_values_and_how_to_accept_it(path, changes, said):
    Pins(path).check(HERE, welcome())
    before = path.read_bytes()
    with pytest.raises(PinsChanged) as found:
        Pins(path).check(HERE, welcome(**changes))
    text = str(found.value)
    assert said in text and "--accept-changes" in text and text.isprintable()
    assert path.read_bytes() == before
    assert Pins(path).check(HERE, welcome(**changes), accept=True)
    assert not Pins(path).check(HERE, welcome(**changes))


def test_another_number_of_layers(path):
    Pins(path).check(HERE, welcome())
    fewer = welcome()
    del fewer.layers[1]
    with pytest.raises(PinsChanged, match="number of layers was 2 and is 1"):
        Pins(path).check(HERE, fewer)


def test_all_fields_of_a_welcome_are_pinned_but_the_session():
    """A field that is added later has to be pinned as well."""
    known = {name.replace("_", " ") for name in declared(welcome())}
    top = {field.name.replace("_", " ") for field in pb.Welcome.DESCRIPTOR.fields}
    # How many images come together says nothing of their light.
    assert top - known == {"version", "session", "planned", "most images"}
    of_layers = {field.name for field in pb.LayerShape.DESCRIPTOR.fields}
    assert of_layers == set(declared(welcome())["layers"][0])


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}'])
def test_a_file_that_is_no_list_of_servers_is_refused(path, text):
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(RangeError, match="file of known servers"):
        Pins(path)


def test_a_file_that_others_can_read_is_refused(path):
    path.write_text("{}")
    path.chmod(0o644)
    with pytest.raises(RangeError, match="other users; allowed: mode 600"):
        Pins(path)
