"""`shotveil registers`: the page in Markdown, or the registers of either role by name."""

import json

from shotveil.models.node.register_map import register_map
from shotveil.models.node.register_page import markdown
from shotveil.models.node.spec import NodeSpec


def test_the_page(shotveil):
    assert shotveil("registers") == (0, markdown(), "")


def test_the_object_names_the_registers_of_either_role(shotveil):
    code, out, err = shotveil("registers --json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert list(found) == ["server", "client"]
    for role, registers in found.items():
        known = register_map(NodeSpec(role=role))
        assert list(registers) == [register.name for register in known]
        for register in known:
            assert registers[register.name] == {
                "address": known.address(register.name),
                "kind": register.access.value,
                "bits": register.width,
                "unit": register.unit,
                "what": register.doc,
            }
    assert found["server"].keys() != found["client"].keys()
    assert found["client"]["id"]["address"] == 0 and found["client"]["id"]["kind"] == "constant"


def test_refuses(refused):
    refused("registers server", "Got unexpected extra argument (server)")
