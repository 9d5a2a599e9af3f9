"""The register map against the blocks it serves, the roles, and the rule that no other is."""

import ast
from pathlib import Path

import pytest
from amaranth.hdl import Shape
from amaranth.lib.wiring import In, Out

from shotveil.gateware.digitiser.chain import Receiver
from shotveil.gateware.drive.chain import Drive, settings
from shotveil.models.digitiser.phase_lock import PhaseLockSettings
from shotveil.models.digitiser.spec import DigitiserSettings
from shotveil.models.drive.spec import DriveSettings, registers
from shotveil.models.node.register import Access, RegisterRole
from shotveil.models.node.register_map import WATCHDOG_TICK, register_map, spec_of
from shotveil.models.node.spec import ROLES, NodeSpec

ROOT = Path(__file__).parents[3]
SPECS = {role: NodeSpec(role) for role in ROLES}
# Ports between parts of the node, and strobes.
OWN = {"run", "hold", "blank", "flush", "arm", "clear", "clear_angles", "load", "snapshot", "skip",
       "wipe", "started", "taken", "symbol", "rewind", "partial", "pending",
       "symbols_level", "inference_level", "phases_level"}  # fmt: skip


def ports(component, flow):
    return {
        name: Shape.cast(member.shape)
        for name, member in component.signature.members.items()
        if member.is_port and member.flow is flow
    }


@pytest.mark.parametrize("role", ROLES)
def test_every_port_of_the_chains_is_a_register_of_its_width(role):
    spec = SPECS[role]
    known = register_map(spec)
    for prefix, component in (
        ("drive", Drive(spec.drive)),
        ("digitiser", Receiver(spec.digitiser, always_valid=True)),
    ):
        for access in (Access.SETTING, Access.STATUS):
            found = {
                r.name.removeprefix(f"{prefix}_"): Shape(r.width, r.signed)
                for r in known.of(access).values()
                if r.name.startswith(f"{prefix}_")
            }
            flow = In if access is Access.SETTING else Out
            assert found == {n: s for n, s in ports(component, flow).items() if n not in OWN}


@pytest.mark.parametrize("role", ROLES)
def test_what_is_allowed_agrees_with_the_settings(role):
    """The models' default settings are allowed and, light apart, what a node starts with."""
    spec = SPECS[role]
    known = register_map(spec)
    raw = {f"drive_{n}": v for n, v in settings(registers(spec.drive, DriveSettings())).items()}
    raw |= {f"digitiser_{n}": v for n, v in DigitiserSettings().ports().items()}
    if spec.digitiser.quadratures == 1:
        raw |= {f"digitiser_{n}": v for n, v in vars(PhaseLockSettings()).items()}
        del raw["digitiser_scale_p"]
    del raw["drive_run"], raw["drive_arm"]
    for name, value in raw.items():
        known[name].require(value)
        if name not in ("drive_scale", "drive_reference"):
            assert known[name].reset == value, name
    named = {n for n in known.of(Access.SETTING) if n.startswith(("drive_", "digitiser_"))}
    assert named - set(raw) == {f"digitiser_offset_{a}" for a in "xp"[: spec.digitiser.quadratures]}


def test_identity_stays_in_place():
    """A host with another map must still be able to read what it talks to."""
    for spec in SPECS.values():
        known = register_map(spec)
        names = ("id", "version", "spec_hash", "map_hash")
        assert tuple(known.identity) == names
        assert [known.address(name) for name in names] == [0, 1, 2, 3]
        assert known.identity["id"] == int.from_bytes(b"SVL1", "big")
        assert known.identity["spec_hash"] == spec.spec_hash()


def test_hashes_tell_nodes_apart():
    known = [register_map(spec) for spec in (*SPECS.values(), NodeSpec(capture=1024))]
    for name in ("spec_hash", "map_hash"):
        assert len({one.identity[name] for one in known}) == 3
    assert register_map(NodeSpec()).identity == register_map(NodeSpec()).identity


def test_addresses_do_not_overlap():
    for spec in SPECS.values():
        known = register_map(spec)
        taken = [known.address(r.name) + k for r in known for k in range(r.words)]
        assert taken == list(range(known.size))


@pytest.mark.parametrize("role", ROLES)
def test_roles(role):
    """What a host counts, watches and reports; a register that changes its role shows here."""
    known = register_map(SPECS[role])
    events = ("clipped", "refused", "saturated", "starved")
    assert set(known.of(RegisterRole.COUNTER)) == {
        "rows_sent", "frames_sent", "frames_matched", "frames_missed",
        *(f"drive_{event}" for event in events), "digitiser_overrange_count",
        "link_accepted", "link_bad_crc", "link_bad_frame", "link_repeated", "link_gap",
    }  # fmt: skip
    assert set(known.of(RegisterRole.FLAG)) == {
        *(f"drive_{event}_flag" for event in events),
        "digitiser_overrange",
        "settings_held",
    }
    spoil = {f"digitiser_{name}" for name in ("backlog", "late", "inference_lost")}
    assert set(known.of(RegisterRole.SPOILS)) == spoil
    notices = {f"digitiser_{name}" for name in ("loss", "symbols_lost", "phases_lost")}
    assert set(known.of(RegisterRole.NOTICE)) == notices
    assert set(known.of(RegisterRole.FAULT)) == {"fault"}
    axes = "xp"[: SPECS[role].digitiser.quadratures]
    assert set(known.of(RegisterRole.MEASUREMENT)) == {
        "digitiser_theta", *(f"digitiser_measured_{axis}" for axis in axes)
    }  # fmt: skip
    assert set(known.of(RegisterRole.IDENTITY)) == {"id", "version", "spec_hash", "map_hash"}


def test_a_role_changes_no_bitstream():
    """How a host reads a bit is no matter of the node, whose identity it therefore is not in."""
    assert {r: register_map(s).identity["map_hash"] for r, s in SPECS.items()} == {
        "server": 0xF601D32B,
        "client": 0x95B031B0,
    }


def addresses(path):
    """Lines of a file on which a number is called an address, or given for one."""

    def number(node):
        return isinstance(node, ast.Constant) and type(node.value) is int and node.value > 0

    def named(node):
        name = getattr(node, "id", None) or getattr(node, "attr", None) or ""
        return name.lower().endswith("address")

    for node in ast.walk(ast.parse(path.read_text())):
        pairs = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign) and node.value:
            pairs = [(node.target, node.value)]
        elif isinstance(node, ast.Compare):
            pairs = [(node.left, other) for other in node.comparators]
        elif isinstance(node, ast.keyword) and node.arg:
            pairs = [(ast.Name(node.arg), node.value)]
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", "")
            method = ast.Name("address" if "register" in name else "")
            pairs = [(method, argument) for argument in node.args[:1]]
            if name == "eq":
                pairs += [(getattr(node.func, "value", node), argument) for argument in node.args]
        for target, value in pairs:
            if named(target) and number(value):
                yield node.lineno if hasattr(node, "lineno") else value.lineno


def test_no_address_appears_anywhere_else():
    known = ROOT / "models/node/register.py"
    files = [p for f in ("models", "gateware", "host", "sim") for p in (ROOT / f).rglob("*.py")]
    assert known in files
    found = {str(p.relative_to(ROOT)): list(addresses(p)) for p in files if p != known}
    assert not {path: lines for path, lines in found.items() if lines}


@pytest.mark.parametrize(
    "line",
    ["address = 12", "ADDRESS: int = 0x3", "bus.address.eq(7)", "link.read_registers(12, 1)",
     "f(address=5)", "if bus.address == 9: pass"],
)  # fmt: skip
def test_that_test_can_fail(line, tmp_path):
    path = tmp_path / "culprit.py"
    path.write_text(line)
    assert list(addresses(path)) == [1]


@pytest.mark.parametrize("role", ROLES)
def test_the_clock_of_a_node_is_what_its_times_are_counted_in(role):
    for clock_hz in (125_000_000, 62_500_000):
        known = register_map(NodeSpec(role, clock_hz=clock_hz))
        assert known.constants["clock"] == clock_hz
        assert known["watchdog"].to_raw(1.0) == round(clock_hz / WATCHDOG_TICK)
        assert known["watchdog"].to_physical(known["watchdog"].reset) == pytest.approx(1, rel=1e-3)
        assert known["trigger_delay"].to_raw(1e-6) == round(clock_hz * 1e-6)


@pytest.mark.parametrize("role", ROLES)
def test_constants_tell_all_that_a_build_chose(role):
    chosen = NodeSpec.chosen(
        role, samples_per_symbol=2, dac_bits=12, adc_bits=10, clock_hz=80_000_000, loopback=True,
        capture=64, replay=4096, window=4,
    )  # fmt: skip
    for spec in (chosen, NodeSpec(role)):
        assert spec_of(register_map(spec).constants) == spec
