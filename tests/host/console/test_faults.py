"""Faults, flags and counters in words."""

from shotveil.host.console.faults import WHY_STOPPED, counters, problems
from shotveil.models.node.register import Access, RegisterRole
from shotveil.models.node.register_map import register_map
from shotveil.models.node.sequencer import FAULTS
from shotveil.models.node.spec import NodeSpec

MAP = register_map(NodeSpec("server"))
QUIET = dict.fromkeys(MAP.of(Access.STATUS), 0)


def test_every_fault_of_a_node_is_explained():
    assert set(WHY_STOPPED) == set(FAULTS)
    found = problems(MAP, QUIET | {"fault": (1 << len(FAULTS)) - 1})
    assert {p["name"] for p in found} == set(FAULTS)
    assert all(len(p["means"]) > 10 for p in found)


def test_every_flag_is_shown_with_what_its_register_says_and_the_gravest_first():
    assert problems(MAP, QUIET) == []
    found = problems(MAP, dict.fromkeys(QUIET, 1))
    roles = [p["role"] for p in found]
    assert roles == sorted(roles, key=["fault", "spoils", "flag", "notice"].index)
    names = {p["name"] for p in found}
    for role in (RegisterRole.SPOILS, RegisterRole.FLAG, RegisterRole.NOTICE):
        assert set(MAP.of(role)) <= names
    assert {"name": "digitiser_late", "role": "spoils",
            "means": "a frame's sums were not fetched in time"} in found  # fmt: skip


def test_every_counter_is_shown():
    found = counters(MAP, {name: k for k, name in enumerate(QUIET)})
    assert {c["name"] for c in found} == set(MAP.of(RegisterRole.COUNTER))
    (sent,) = (c for c in found if c["name"] == "rows_sent")
    assert sent["value"] == list(QUIET).index("rows_sent") and sent["unit"] == "rows"


def test_words_for_people_have_no_marks_of_code():
    raw = {register.name: 1 for register in MAP}
    said = [*problems(MAP, raw), *counters(MAP, raw)]
    assert len(said) > 15 and not any("`" in entry["means"] for entry in said)
