"""The bench of the client's node behind AXI, which takes minutes."""

from tests.sim.benches.benching import ALL, passes


@ALL
def test_bench_passes(tmp_path):
    passes("axi_client", tmp_path, "verilator")
