"""Mutants that change nothing that a test could see, each with the reason.

They are told but not counted: a mutant that survives for want of a test does not belong here.
"""

from __future__ import annotations

from shotveil.sim.proofs.mutations import Mutation

_SEARCH = "a search finds the same best by other steps, or from other ends of its range"
_ONE_BIT = "one bit drives it, so the second is always zero, and any bit that is high counts"
_LIMIT = "no rule makes computed numbers equal the limit, and both cases hold there"

# What stands on a line, what the mutant has there, and why both are the same: by file.
EQUIVALENT: dict[str, dict[tuple[str, str], str]] = {
    "host/leakage/supporting_planes.py": {
        (
            "low = np.stack([np.full(n, -42.0), np.full(n, -45.0)])",
            "low = np.stack([np.full(n, -43.0), np.full(n, -45.0)])",
        ): _SEARCH,
        (
            "points = 41 if zoom == 0 else 13",
            "points = 42 if zoom == 0 else 13",
        ): _SEARCH,
        (
            "around = 1.5 * width / (points - 1)",
            "around = 1.5 * width / (points + 1)",
        ): _SEARCH,
        (
            "around = 1.3 * width / (points - 1)",
            "around = 2.3 * width / (points - 1)",
        ): _SEARCH,
        (
            "np.stack([60 * everywhere, 14 * everywhere]),",
            "np.stack([61 * everywhere, 14 * everywhere]),",
        ): _SEARCH,
        (
            "rounding = excess < 1e-4 * at_split",
            "rounding = excess <= 1e-4 * at_split",
        ): _LIMIT,
    },
    "host/leakage/spectrum.py": {
        (
            "loss = np.append(0.0, np.geomspace(min(1e-2 * lost, 1e-2), 1.0, 24)) "
            "if lost else np.zeros(1)",
            "loss = np.append(0.0, np.geomspace(min(1e-2 * lost, 1.01), 1.0, 24)) "
            "if lost else np.zeros(1)",
        ): _SEARCH,
        (
            "loss = np.append(0.0, np.geomspace(min(1e-2 * lost, 1e-2), 1.0, 24)) "
            "if lost else np.zeros(1)",
            "loss = np.append(0.0, np.geomspace(min(1e-2 * lost, 1e-2), 2.0, 24)) "
            "if lost else np.zeros(1)",
        ): _SEARCH,
        (
            "power = power[power > _FAINTEST * power.max()]",
            "power = power[power >= _FAINTEST * power.max()]",
        ): _LIMIT,
    },
    "host/ledger/budget.py": {
        (
            "if left <= 0 or not self._in_flight():",
            "if left < 0 or not self._in_flight():",
        ): "with no time left it waits for none, and is refused when it looks again",
    },
    "host/parties/optical_link.py": {
        (
            "if np.abs(np.linalg.norm(vectors, axis=1) - 1).max() > 1e-5:",
            "if np.abs(np.linalg.norm(vectors, axis=1) - 1).max() >= 1e-5:",
        ): _LIMIT,
    },
    "host/parties/rpc.py": {
        (
            '("grpc.keepalive_permit_without_calls", 1),',
            '("grpc.keepalive_permit_without_calls", 2),',
        ): "gRPC takes every number but 0 for yes",
    },
    "host/verification/assumptions.py": {
        (
            "_RISES = np.geomspace(1e-6, 1.0, 25)  "
            "# relative rises of a slope that the test looks for",
            "_RISES = np.geomspace(1e-6, 1.0, 26)  "
            "# relative rises of a slope that the test looks for",
        ): "the test may look for any rises; a mixture of more of them is as valid",
    },
    "host/verification/confidence.py": {
        (
            "best_at = _FIRST * 4.0 ** (choice - 1)",
            "best_at = _FIRST * 5.0 ** (choice - 1)",
        ): "the limits hold whatever the amounts of light are at which they are best",
    },
    "gateware/host_link/endpoint.py": {
        (
            "beyond.eq(request.target[:12] + request.count[: payloads.COUNT]),",
            "beyond.eq(request.target[:13] + request.count[: payloads.COUNT]),",
        ): "a target with bit 12 is refused in any case: it is no low address",
        (
            "put_addr = Signal(slot_bits + 8, reset_less=True)",
            "put_addr = Signal(slot_bits + 9, reset_less=True)",
        ): "what drives it has as many bits as the memory's address, so the highest is always zero",
    },
    "gateware/digitiser/cordic.py": {
        (
            'first = register(self.vectoring, 1, "first", 0)',
            'first = register(self.vectoring, 2, "first", 0)',
        ): _ONE_BIT
    },
    "gateware/host_link/packet.py": {
        (
            "index = Signal(range(MAX_WORDS + 2))",
            "index = Signal(range(MAX_WORDS + 3))",
        ): "both ranges take nine bits"
    },
    "gateware/node/reading.py": {
        ('"hide": In(1),', '"hide": In(2),'): _ONE_BIT,
    },
    "models/host_link/wire.py": {
        ("elif kind == 3:", "elif kind != 3:"): (
            "two kinds of damage that are as likely change places"
        ),
    },
    "gateware/digitiser/timing.py": {
        (
            "m.d.sync += [scaling.eq(~best[-1]), prepare.eq(best[-1])]",
            "m.d.sync += [scaling.eq(~best[-1]), prepare.eq(best[-2])]",
        ): "a correlation is at most 2^32, so both of its word's highest bits are zero",
    },
    "gateware/drive/shaping.py": {('"rewind": In(1),', '"rewind": In(2),'): _ONE_BIT},
    "gateware/primitives/dsp48.py": {
        ("i_B=_extended(b, 18),", "i_B=_extended(b, 19),"): (
            "the block's input has 18 bits, so the sign that is added goes nowhere"
        ),
    },
    "models/digitiser/reference.py": {
        (
            "pad = 32",
            "pad = 33",
        ): "the delayed pulse has ended within 32 samples"
    },
    "models/digitiser/pace.py": {
        (
            "summed.append(max(clock + latency, summed[-1] + symbol if summed else 0))",
            "summed.append(max(clock + latency, summed[-1] + symbol if summed else 1))",
        ): "the latency is a clock or more"
    },
    "models/digitiser/phase.py": {
        (
            "return np.where(pilot >= 0, pilot >> 1 & 1, 0)",
            "return np.where(pilot > 0, pilot >> 1 & 1, 0)",
        ): "the number 0 gives 0 in both ways"
    },
    "models/drive/chain.py": {
        ("step = max(1, CHUNK // samples)", "step = max(1, CHUNK * samples)"): (
            "how many frames are computed at once changes the memory that it takes alone"
        ),
    },
    "gateware/digitiser/phase_lock.py": {
        ("with m.Elif(clock[5:10].any()):", "with m.Elif(clock[6:10].any()):"): (
            "the product is taken four clocks later, of which the multiplier needs three"
        ),
    },
}


def reason(mutation: Mutation) -> str:
    """Return why no test can find a mutant, or "" where one should."""
    known = EQUIVALENT.get(mutation.file, {})
    return known.get((mutation.old.strip(), mutation.new.strip()), "")
