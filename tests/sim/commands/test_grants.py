"""`shotveil lab grants`: what it plays, what it prints, and how it ends."""

import json
from collections import Counter

import numpy as np

from shotveil.sim.figures.grants import GrantsSeen, Trespass

RUN = "shotveil.sim.figures.grants.run"


def test_grants(lab, monkeypatch):
    code, out, _ = lab("grants", "--scripts", 3, "--json")
    found = json.loads(out)
    assert code == 0 and found["scripts"] == 3 and found["emitted"] <= found["granted"]
    code, out, _ = lab("grants", "--scripts", 3)
    assert code == 0 and f"{found['granted']} rows granted" in out and "none sent more" in out

    def trespasses(*_):
        raise Trespass("a row left outside of a batch")

    monkeypatch.setattr(RUN, trespasses)
    code, out, err = lab("grants", "--scripts", 3)
    assert code == 1 and out == "" and err == "shotveil: a row left outside of a batch\n"


def test_a_bare_installation_asks_for_the_extra(asks_for_extra):
    asks_for_extra("lab", "grants", "--scripts", "1")


def test_what_was_seen_is_told(lab, monkeypatch):
    seen = GrantsSeen(
        scripts=5, granted=30, emitted=20, complete=4,
        endings=Counter({"done": 2, "cleared": 5}),
    )  # fmt: skip
    asked = []
    monkeypatch.setattr(RUN, lambda scripts, rng: asked.append((scripts, rng)) or seen)
    code, out, err = lab("grants")
    assert (code, err) == (0, "")
    assert out == (
        "5 scripts, 7 batches, 30 rows granted, 20 emitted, 4 batches sent their whole grant, "
        "none sent more; 0 s\n  ended by cleared: 5\n  ended by done: 2\n"
    )
    code, out, err = lab("grants", "--scripts", 12, "--seed", 3, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "") and 0 <= found.pop("seconds") < 1
    assert found == {
        "scripts": 5, "batches": 7, "granted": 30, "emitted": 20, "complete": 4,
        "endings": {"done": 2, "cleared": 5},
    }  # fmt: skip
    assert [scripts for scripts, _ in asked] == [100_000, 12]
    for (_, rng), seed in zip(asked, (1, 3), strict=True):
        assert rng.integers(1 << 60) == np.random.default_rng(seed).integers(1 << 60)
