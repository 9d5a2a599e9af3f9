"""Mutants by rule: each changes one thing on one line, and stays a program."""

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.sim.proofs.mutants import ROOMS, SEARCHES, drawn, files, mutants
from shotveil.sim.proofs.mutations import ROOT

SOURCE = '''"""Text with 1 and a < b."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    x = 1 + 1
SECONDS: float = 3.0
LEAST, MOST = 1, 9
SUM = 2 * LEAST


@dataclass(frozen=True)
def é(a: int = 3, *, b: "1 < 2" = not c) -> 4:
    """2"""
    assert 1 < 2
    if a <= -b and é not in zip(a, b, strict=True, reset_less=True):
        raise RangeError(1 + 1)
    return (
        a  # + 7
        + f"{1 + 1}" * (a // -(-b))
    )
'''


def test_what_is_changed_and_what_is_left(tmp_path):
    (tmp_path / "some.py").write_text(SOURCE, encoding="utf-8")
    found = mutants("some.py", tmp_path)
    assert sorted(str(each).split(": ", 1)[1].split(" → ")[1] for each in found) == sorted([
        "SUM = 2 / LEAST",
        "SUM = 3 * LEAST",
        'def é(a: int = 4, *, b: "1 < 2" = not c) -> 4:',
        'def é(a: int = 3, *, b: "1 < 2" = c) -> 4:',
        "if a < -b and é not in zip(a, b, strict=True, reset_less=True):",
        "if a <= b and é not in zip(a, b, strict=True, reset_less=True):",
        "if a <= -b or é not in zip(a, b, strict=True, reset_less=True):",
        "if a <= -b and é in zip(a, b, strict=True, reset_less=True):",
        '- f"{1 + 1}" * (a // -(-b))',
        '+ f"{1 + 1}" / (a // -(-b))',
        '+ f"{1 + 1}" * (a * -(-b))',
        '+ f"{1 + 1}" * (a // (-b))',
        '+ f"{1 + 1}" * (a // -(b))',
    ])  # fmt: skip
    for each in found:
        compile(each.applied(SOURCE), "some.py", "exec")


def test_every_mutant_of_the_house_is_a_program():
    every = files()
    assert len(every) > 50 and all(file.startswith(ROOMS) for file in every)
    assert not set(SEARCHES) & set(every) and all((ROOT / file).exists() for file in SEARCHES)
    for file in every[::7]:
        text = (ROOT / file).read_text(encoding="utf-8")
        for mutant in mutants(file):
            changed = mutant.applied(text)
            assert changed != text
            compile(changed, file, "exec")


def test_some_are_drawn_by_a_seed():
    some = drawn("models/drive", 9, 4)
    assert len(some) == len(set(some)) == 9 and some == drawn("models/drive", 9, 4)
    assert some != drawn("models/drive", 9, 5)
    assert some == drawn("models/drive", 9, 4, "gateware")
    with pytest.raises(RangeError, match="models/drive"):
        drawn("models/drive", 9, 4, "evidence")
    assert {mutant.file.rsplit("/", 1)[0] for mutant in some} == {"models/drive"}
    assert len(drawn("models/drive/dac.py", 10**6, 1)) == len(mutants("models/drive/dac.py"))
    for bad in (lambda: drawn("nothing", 1, 1), lambda: drawn("", 0, 1), lambda: drawn("", 1, -1)):
        with pytest.raises(RangeError):
            bad()
