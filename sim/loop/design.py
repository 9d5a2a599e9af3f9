"""Design questions: how one imperfection changes the excess noise and what the client reads.

Each point is a run through the bit-true models without noise of light and electronics, with
everything else ideal or with the other distortions of a link, so that 1e-6 SNU can be seen in a few
dozen rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotveil.host.run.curves import accuracy_curve
from shotveil.models.digitiser.spec import SAMPLES_PER_SYMBOL, DigitiserSpec
from shotveil.models.drive.spec import DriveSpec
from shotveil.models.link.optics import Link
from shotveil.models.networks.network import Layer, Network
from shotveil.models.waveform.impairment import Sweep
from shotveil.models.waveform.impairments import IMPAIRMENTS, Impairments
from shotveil.sim.loop.session import Loop, infer
from shotveil.sim.loop.settings import LoopSettings

GOAL = 1e-4  # SNU


@dataclass(frozen=True)
class Question:
    """The `values` of an imperfection on an axis named `label`; `change` sets one of them."""

    label: str
    values: tuple[float, ...]
    change: Callable[[LoopSettings, float], LoopSettings]
    log: bool = False


@dataclass(frozen=True, eq=False)
class ImperfectionCost:
    """At each value, the excess noise (SNU at the returned mode) and the F² left to the client."""

    question: Question
    excess: NDArray[np.float64]
    f2: NDArray[np.float64]


def _impaired(sweep: Sweep) -> Question:
    def change(settings: LoopSettings, value: float) -> LoopSettings:
        return settings.with_impairments(replace(settings.impairments, **sweep.set(value)))

    return Question(sweep.label, sweep.values, change, sweep.log)


def _adc(settings: LoopSettings, bits: float) -> LoopSettings:
    """Use fewer bits over the same range of voltages, as far as the scale's register allows."""
    one, two = (DigitiserSpec(quadratures=k, adc_bits=int(bits)) for k in (1, 2))
    return replace(settings, client=one, server=two, step=max(32.5, 256.0 * 2.0 ** (bits - 14)))


QUESTIONS = {
    "dac-bits": Question(
        "bits of the DACs",
        (8, 9, 10, 11, 12, 13, 14),
        lambda s, bits: replace(s, drive=DriveSpec(dac_bits=int(bits))),
    ),
    "adc-bits": Question("bits of the ADCs", (11, 12, 13, 14), _adc),
    **{
        sweep.name: _impaired(sweep)
        for impairment in IMPAIRMENTS.values()
        for sweep in impairment.sweeps
    },
}
"""All questions by name: the converters' bits, and those that impairments define."""


SAMPLES = Question(
    "samples a symbol",
    tuple(map(float, SAMPLES_PER_SYMBOL)),
    lambda s, samples: s.with_samples(int(samples)),
)
"""How many samples a symbol lasts; what that costs depends on the other imperfections."""


LEAD = Question(
    "frames of the lead-in",
    (16, 24, 32, 40, 48, 64, 128),
    lambda s, frames: replace(s, lead_in=int(frames)),
)
"""How long receivers have to lock, which costs the rows that come first."""


def answer(
    question: Question,
    network: Network,
    gain: float,
    f2: float,
    rows: int = 64,
    seed: int = 1,
    others: Impairments | None = None,
) -> ImperfectionCost:
    """Run every value of a question through the first `rows` rows of a network's first layer.

    Everything else is ideal, or is as in `others`.
    """
    first = network.layers[0]
    part = Network("part", (Layer(first.weights[:rows], first.bias),))
    link = Link(gain=gain, photons=1.0).with_f2(f2)
    excess, left = [], []
    data = np.abs(np.random.default_rng(seed).normal(size=(1, part.inputs)))
    for value in question.values:
        impairments = others or Impairments()
        settings = LoopSettings(link=link, impairments=impairments, vacuum=False, seed=seed)
        loop = Loop(part, question.change(settings, value))
        seen = infer(loop, data, loop.records())
        sums = loop.statistics(0, seen.sums[0], seen.records)
        excess.append(float(sums.residual / sums.count) * loop.settings.server.quadratures)
        read, carried = seen.read[0].ravel(), seen.carried[0].ravel()
        slope = float(read @ carried / (carried @ carried))
        error = float(np.mean((read - slope * carried) ** 2)) / (gain - 1)
        left.append(f2 * slope**2 * link.inference_noise / (link.inference_noise + error))
    return ImperfectionCost(question, np.array(excess), np.array(left))


def limit(found: ImperfectionCost, goal: float = GOAL) -> float | None:
    """Where the excess noise crosses `goal`, interpolated between values; None if it does not."""
    values = np.array(found.question.values, np.float64)
    above = found.excess > goal
    (where,) = np.nonzero(above[1:] != above[:-1])
    if not len(where):
        return None
    k = int(where[0])
    scale = np.log(values) if found.question.log else values
    power = np.log(found.excess)
    share = (np.log(goal) - power[k]) / (power[k + 1] - power[k])
    at = scale[k] + share * (scale[k + 1] - scale[k])
    return float(np.exp(at) if found.question.log else at)


def accuracies(
    network: Network, images: NDArray[Any], labels: NDArray[Any], f2: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """The accuracy at each F² over an otherwise ideal link, with the same noise for all."""
    order = np.argsort(f2)
    out = np.empty(len(f2))
    # All points have the same noise, since they are to be compared.
    out[order] = accuracy_curve(
        network, images, labels, f2[order], np.random.default_rng(seed), shared_noise=True
    )
    return out
