"""The bench of the server's node behind AXI, which takes minutes."""

from tests.sim.benches.benching import ALL, passes


@ALL
def test_bench_passes(tmp_path):
    passes("axi_server", tmp_path, "verilator")
