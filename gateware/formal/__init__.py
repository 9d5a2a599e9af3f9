"""What the gateware promises, as proofs: properties beside blocks, one file a proof.

A bench holds a block as its submodule `dut`, leaves its inputs free, and states with `Assert` what
must hold, with `Assume` what the block may rely on, and with `Cover` what must be possible.
`sim.proofs.formal` proves it by k-induction: for all inputs and all times.
"""
