"""Random layouts: what is drawn is near the limits, and a receiver that loses symbols is found."""

from dataclasses import replace

import numpy as np
import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.digitiser.pace import longest_wait
from shotveil.models.digitiser.spec import DigitiserSpec
from shotveil.sim.engines.run import Result
from shotveil.sim.figures import layouts

SPECS = {n: DigitiserSpec(quadratures=n, modes=64, row_capacity=512) for n in (1, 2)}


class ByTheModel:
    """Gives what is due; with `loses`, the flag of lost symbols as well."""

    def __init__(self, loses=0):
        self.loses = loses
        self.cases = []

    def check(self, bench, cases):
        (case,) = cases
        self.cases.append(case)
        given = replace(case, status={**case.status, "backlog": self.loses})
        assert given.status == case.status, "backlog is 1"
        return [Result({}, {}, {}, {}, 0, 0.0)]


@pytest.mark.parametrize("quadratures", [1, 2])
def test_what_is_accepted_is_dense_and_diverse(quadratures):
    spec = DigitiserSpec(quadratures=quadratures)
    rng = np.random.default_rng(quadratures)
    drawn = [layouts.accepted(spec, rng) for _ in range(100)]
    rows = [settings.layout.row for settings, _ in drawn]
    waits = [
        longest_wait(quadratures, spec.iterations, spec.symbol_fifo, settings.layout)
        for settings, _ in drawn
    ]
    assert min(rows) < 40 and max(rows) > 1500
    # Homodyne, only a frame's last pilot makes symbols wait.
    assert (spec.symbol_fifo // 2 if quadratures == 2 else 4) < max(waits) < spec.symbol_fifo
    assert sum(refused for _, refused in drawn) > 0
    assert any(settings.mode_shift for settings, _ in drawn)


def test_a_receiver_that_loses_symbols_is_named_with_its_layout(monkeypatch):
    model = ByTheModel()
    monkeypatch.setattr(layouts, "check", model.check)
    seen = layouts.run(2, np.random.default_rng(1), of=lambda n: (SPECS[n], None))
    assert seen.accepted == len(model.cases) == 4 and 0 < seen.longest <= 512
    monkeypatch.setattr(layouts, "check", ByTheModel(loses=1).check)
    with pytest.raises(AssertionError, match=r"FrameLayout\(.*backlog is 1"):
        layouts.run(1, np.random.default_rng(1), of=lambda n: (SPECS[n], None))
    with pytest.raises(RangeError, match="count = 0"):
        layouts.run(0, np.random.default_rng(1))
