"""The page docs/registers.md, made from the register map.

shotveil registers > docs/registers.md
"""

from __future__ import annotations

from shotveil.models.node.register import Access, Register, RegisterRole
from shotveil.models.node.register_map import register_map
from shotveil.models.node.spec import ROLES, NodeSpec


def markdown() -> str:
    """The text of docs/registers.md: one table for each group, with the maps of both roles."""
    maps = {role: register_map(NodeSpec(role)) for role in ROLES}
    union = {register.name: register for known in maps.values() for register in known}
    groups: dict[str, list[Register]] = {}
    for register in union.values():
        groups.setdefault(register.group, []).append(register)
    lines = [
        "<!-- Written by `shotveil registers > docs/registers.md`. -->",
        "# Registers",
        "",
        "A host reaches a node's registers by name, through `host.devices.registers` or",
        "`shotveil device`. The addresses help a person who reads a trace of the link. They are",
        "those of the default nodes, in words of 32 bits; a longer register takes two words, the",
        "low one first.",
        "",
        "* A **constant** is fixed when the node is built.",
        "* A **setting** is staged when written and acts from the next `commit` on, together with",
        "  all others; reading gives what is staged.",
        "* A **strobe** acts once for each write, whatever the value.",
        "* A **status** shows what the node does. One of two words is latched when the first is",
        "  read. A counter stops at its largest value.",
        "",
        "A range or a value after reset is physical where the register has a unit or a step.",
    ]
    for group, registers in groups.items():
        head = f"| {' | '.join(maps)} | name | kind | bits | range | after reset | what |"
        lines += ["", f"## {group.capitalize()}", "", head, "|" + " --- |" * (head.count("|") - 1)]
        for register in registers:
            places = [
                f"{known.address(register.name):03x}" if register.name in known else "–"
                for known in maps.values()
            ]
            cells = [*places, f"`{register.name}`", register.access.value]
            alike = [known[register.name] for known in maps.values() if register.name in known]
            lines.append(f"| {' | '.join([*cells, *_described(alike)])} |")
    return "\n".join(lines) + "\n"


def _described(alike: list[Register]) -> list[str]:
    """Bits, range, value after reset and meaning, as the page shows them.

    `alike` holds the registers of one name in both roles; they differ at most in the value of a
    constant.
    """
    register = alike[0]
    unit = f" {register.unit}" if register.unit else ""
    bits = f"{register.width}{', signed' if register.signed else ''}"
    doc = register.doc
    if register.quantum is not None:
        doc += f"; steps of {register.quantum:.4g}{unit}"
    names = register.choices or register.flags
    if names:
        word = "bits" if register.flags else "values"
        doc += f"; {word} from 0: {', '.join(names)}"
    span = f"{register.number(register.lowest, 6)} … {register.number(register.highest, 6)}{unit}"
    reset = " / ".join(dict.fromkeys(f"{one.number(one.reset, 6)}{unit}" for one in alike))
    if register.access is Access.CONSTANT:
        # A constant that differs between nodes depends on the build, so no number is shown.
        tells = register.role is RegisterRole.IDENTITY and " / " in reset
        span, reset = "", "of the build" if tells else reset
    elif register.access is not Access.SETTING:
        reset = ""
    if register.access is Access.STROBE or register.switch:
        span = ""
    return [bits, span, reset, doc]
