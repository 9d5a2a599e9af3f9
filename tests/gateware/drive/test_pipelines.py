"""Latency and throughput of the blocks that are plain pipelines, measured."""

import numpy as np
import pytest

from shotveil.gateware.drive.linearisation import Linearisation
from shotveil.gateware.drive.scaling import Scaling
from shotveil.gateware.drive.shaping import Shaping
from shotveil.models.drive.spec import DriveSpec
from shotveil.sim.engines.amaranth_bench import AmaranthBench
from shotveil.sim.engines.run import Run

SPECS = [DriveSpec(row_capacity=64), DriveSpec(samples_per_symbol=2, taps=12, row_capacity=64)]


def zeros(names, n):
    return {name: np.zeros(n, dtype=np.int64) for name in names}


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize(
    "block, flags", [(Scaling, ("reference", "first")), (Linearisation, ("fault", "first"))]
)
def test_one_sample_a_clock(spec, block, flags):
    component = block(spec)
    given = zeros(("i", "q", *flags), 200)
    (result,) = AmaranthBench(component).run(Run({}, {"i": given}, {"o": 200}))
    assert result.first["o"] - result.first["i"] == component.latency
    assert result.last["o"] - result.first["o"] == 199


@pytest.mark.parametrize("spec", SPECS)
def test_shaping_takes_a_symbol_every_few_clocks_and_never_pauses(spec):
    component = Shaping(spec)
    samples = 100 * spec.samples_per_symbol
    given = zeros(("i", "q", "fault", "first"), 100)
    (result,) = AmaranthBench(component).run(Run({}, {"i": given}, {"o": samples}))
    assert result.first["o"] - result.first["i"] == component.latency
    assert result.last["o"] - result.first["o"] == samples - 1
    assert result.last["i"] - result.first["i"] == 99 * spec.samples_per_symbol
