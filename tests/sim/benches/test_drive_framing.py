import pytest

from tests.sim.benches.benching import ALL, passes


@ALL
@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_bench_passes(tmp_path, simulator):
    passes("drive_framing", tmp_path, simulator)
