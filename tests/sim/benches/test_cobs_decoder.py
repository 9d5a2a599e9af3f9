import pytest

from tests.sim.benches.benching import ALL, passes


@ALL
@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench_passes(tmp_path, simulator):
    passes("cobs_decoder", tmp_path, simulator)
