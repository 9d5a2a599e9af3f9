"""What is asserted inside a deep FIFO makes its proof inductive, and shows every register."""

from shotveil.gateware.formal import deep_fifo, memory
from shotveil.gateware.primitives.memory import DeepFifo
from shotveil.sim.proofs import formal


def test_every_register_is_shown_by_its_path():
    shown = deep_fifo.inside("dut.buffer", 5, 8)
    assert shown["inside"] == (4, "dut.buffer.inside")
    assert shown["produce"] == (3, "dut.buffer.produce")
    assert [name for name in shown if name.startswith("far_")] == [f"far_{n}" for n in range(8)]
    assert shown["far_7"] == (5, "dut.buffer.storage_0[7]")
    near = [name for name in shown if name.startswith("near_") and name[5:].isdigit()]
    assert len(near) == DeepFifo.NEAR and shown["near_0"] == (5, "dut.buffer.near.storage[0]")


def test_the_proof_that_rests_on_it_closes():
    """Without what is asserted inside, induction over a few steps could not."""
    outcome = formal.prove(memory.PROOF)
    assert outcome.holds, outcome.log


def test_a_fifo_with_words_out_of_order_is_found():
    (bug,) = [bug for bug in memory.PROOF.bugs if bug.what == "room is known too late"]
    assert formal.finds(memory.PROOF, bug).holds
