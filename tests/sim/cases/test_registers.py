"""What must come of accesses to registers, by hand, and accesses that reach all of a map."""

import numpy as np
import pytest

from shotveil.models.node.register_map import WORD, Access
from shotveil.sim.cases.registers import (
    FOLD,
    SMALL,
    Expected,
    RegisterAccess,
    RegisterPorts,
    RegisterProbe,
    cases,
    random_steps,
    run,
)


def at(name, k=0):
    return SMALL.address(name) + k


def play(*steps, status=None, bank=None):
    bank = bank or Expected(SMALL)
    answers, events = bank.play([RegisterAccess(*step) for step in steps], status or {})
    return answers.tolist(), events["settings"].tolist(), events["strobes"].tolist()


def test_constants_and_settings_read_as_they_start():
    answers, *_ = play((at("id"),), (at("flag"),), (at("level"),), (at("wide"),), (at("wide", 1),))
    assert answers[:2] == [0x53564C31, 1]
    assert answers[2] == -5 & 0x7F or answers[2] == -5 & 0xFFFFFFFF
    wide = -(1 << 34)
    assert answers[3] == 0 and answers[4] == (wide >> 32) & SMALL_MASK


SMALL_MASK = (1 << (38 - 32)) - 1


def test_a_setting_is_staged_and_takes_effect_with_a_commit():
    bank = Expected(SMALL)
    before = dict(bank.active)
    answers, settings, strobes = play((at("flag"), 0), (at("flag"),), bank=bank)
    assert (answers, settings, strobes) == ([0], [], []) and bank.active == before
    _, settings, strobes = play((at("commit"), 0), bank=bank)
    assert bank.active["flag"] == 0 and len(settings) == 1
    names = list(SMALL.of(Access.STROBE))
    assert strobes == [1 << names.index("commit")]
    # Another strobe commits nothing.
    play((at("flag"), 1), (at("go"), 1), bank=bank)
    assert bank.active["flag"] == 0 and bank.staged["flag"] == 1
    _, _, strobes = play((at("go"), 1), bank=bank)
    assert strobes == [1 << names.index("go")]


def test_words_of_a_wide_register_are_written_one_by_one():
    bank = Expected(SMALL)
    play((at("wide"), 0x12345678), bank=bank)
    assert bank.staged["wide"] & 0xFFFFFFFF == 0x12345678
    assert bank.staged["wide"] >> 32 == -(1 << 34) >> 32
    play((at("wide", 1), 1), bank=bank)
    assert bank.staged["wide"] == (1 << 32) | 0x12345678
    answers, *_ = play((at("wide"),), (at("wide", 1),), bank=bank)
    assert answers == [0x12345678, 1] and WORD == 32


def test_a_status_is_latched_with_its_first_word():
    bank = Expected(SMALL)
    first, second = {"whole": (7 << 32) | 9}, {"whole": (8 << 32) | 1}
    assert play((at("whole", 1),), bank=bank, status=first)[0] == [0]
    assert play((at("whole"),), bank=bank, status=first)[0] == [9]
    assert play((at("whole", 1),), bank=bank, status=second)[0] == [7]
    assert play((at("whole"),), (at("whole", 1),), bank=bank, status=second)[0] == [1, 8]


def test_nothing_is_read_from_strobes_and_from_nowhere():
    answers, settings, strobes = play(
        (at("commit"),), (SMALL.size + 5,), (SMALL.size + 5, 9), (at("id"), 9), (at("count"), 9)
    )
    assert (answers, settings, strobes) == ([0, 0], [], [])


def test_settings_are_folded_by_exclusive_or():
    bank = Expected(SMALL)
    _, (start,), _ = play((at("go"), 1), bank=bank)
    play((at("flag"), 0), (at("commit"), 0), bank=bank)
    _, (after,), _ = play((at("go"), 1), bank=bank)
    assert start ^ after == 1  # the first setting's only bit
    bits = place = 0
    for name, register in SMALL.of(Access.SETTING).items():
        bits |= (bank.active[name] & ((1 << register.width) - 1)) << place
        place += register.width
    assert place > FOLD, "the fold is tried"
    assert after == (bits & ((1 << FOLD) - 1)) ^ (bits >> FOLD)


def test_random_accesses_reach_all_of_the_map_and_beyond():
    steps = random_steps(SMALL, 3000, np.random.default_rng(1))
    addresses = {step.address for step in steps}
    assert set(range(SMALL.size + 3)) <= addresses and max(addresses) > 4 * SMALL.size
    writes = [step for step in steps if step.data is not None]
    assert 0.5 < len(writes) / len(steps) < 0.7
    assert {0, 1, 0xFFFFFFFF, 1 << 31} <= {step.data for step in writes}
    commits = sum(step.address == at("commit") for step in steps)
    assert commits > 250


def test_a_run_holds_the_accesses_in_order():
    made = run([RegisterAccess(3), RegisterAccess(4, 7)], 1, 0, {"racing": 0})
    given = made.inputs["accesses"]
    assert {name: values.tolist() for name, values in given.items()} == {
        "address": [3, 4],
        "data": [0, 7],
        "write": [0, 1],
    }
    assert made.due == {"answers": 1, "events": 0} and made.settings == {"racing": 0}
    assert made.timeout == 1000 + 2 * 200


def test_cases_repeat_by_their_seed_and_go_on_from_one_another():
    made, again = (cases(SMALL, 200, np.random.default_rng(2)) for _ in range(2))
    assert len(made) == 3
    bank = Expected(SMALL)
    for one, other in zip(made, again, strict=True):
        assert one.run.settings == other.run.settings and one.run.settings["racing"] == 0
        given = one.run.inputs["accesses"]
        steps = [
            RegisterAccess(int(a), int(d) if w else None)
            for a, d, w in zip(given["address"], given["data"], given["write"], strict=True)
        ]
        answers, events = bank.play(steps, one.run.settings)
        np.testing.assert_array_equal(one.expected["answers"], answers)
        np.testing.assert_array_equal(one.expected["events"]["settings"], events["settings"])
        assert one.run.due == {"answers": len(answers), "events": len(events["settings"])}
    assert made[0].run.settings != made[1].run.settings


@pytest.mark.parametrize("component", [RegisterProbe, RegisterPorts])
def test_a_status_is_a_port(component):
    members = component(SMALL).signature.members
    for name, register in SMALL.of(Access.STATUS).items():
        assert members[name].shape == register.width
    if component is RegisterPorts:
        assert "id" not in members and {"commit", "flag", "wide", "bus"} <= set(members)
