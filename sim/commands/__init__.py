"""One file for each command of `shotveil lab`: simulations, proofs, synthesis, boards."""

from shotveil.host.commands.room import Room

lab = Room(
    "lab",
    room="shotveil.sim.commands",
    help="Simulate nodes and gateware, prove and measure them, and build them for boards.\n\n"
    "Most of these commands need the extra `lab` or `boards`, and say so where it is "
    "missing.",
)
