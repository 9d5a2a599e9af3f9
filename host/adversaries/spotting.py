"""A client that looks for decoys, against the order of slots: what it recognises and what it taps.

It knows the weights, and reads each slot of some repetitions along their strongest component, where
decoys differ most. Of an order that mixes rows and decoys it tells nothing, so that it taps both
alike, and what verification finds of decoys holds for weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from shotveil.host.protocol.order import Order
from shotveil.models.adversaries.slots import SlotClient
from shotveil.models.link.decoys import decoy_rows
from shotveil.models.link.encoding import Complex, EncodedRows, Real
from shotveil.models.link.optics import Link
from shotveil.models.link.symbols import vacuum


@dataclass(frozen=True)
class Spotted:
    """What a client recognises of decoys, and what it then taps.

    auc: Area under the curve with which it recognises slots that hold more of decoys than others;
        0.5 is guessing and 1 is knowing.
    of_weights, of_decoys: Share of the energy of weights, and of decoys, in slots that it taps.
    """

    auc: float
    of_weights: float
    of_decoys: float

    def transmittance(self, share: float, tap: float) -> float:
        """Return T of light of which a `share` met a tap with transmittance `tap`."""
        return float((share * np.sqrt(tap) + 1 - share) ** 2)


def spot(
    client: SlotClient,
    link: Link,
    rows: int,
    modes: int,
    decoys: int,
    rng: np.random.Generator,
    *,
    strongest: float,
    repetitions: int = 64,
    mixed: bool = True,
) -> Spotted:
    """Let a client look for decoys in one part of a layer, in each of some repetitions.

    rows, decoys: Numbers of rows and decoys in the part. modes: N of a row.
    strongest: Energy of the strongest component of the rows, where the mean is 1.
    mixed: Whether slots carry mixtures, as an honest server's do.
    """
    # The strongest component lies in no mode's direction: in these, decoys are like the weights.
    along = vacuum((modes,), rng)
    along /= np.linalg.norm(along)
    light = vacuum((rows, modes), rng, link.modulation_variance)
    rest = (modes - strongest) / max(modes - 1, 1)
    inside = light @ along.conj()
    light = np.sqrt(rest) * light + np.outer((np.sqrt(strongest) - np.sqrt(rest)) * inside, along)
    weights = EncodedRows(light.real.copy(), light.imag.copy(), 1.0)
    drawn, many = decoy_rows(weights, decoys, rng), decoy_rows(weights, 4000, rng)
    sent = np.concatenate([drawn.x + 1j * drawn.p, light])  # as they are listed: decoys first

    def read(amplitudes: Complex) -> Real:
        return np.asarray((amplitudes @ along.conj()).real)

    order = Order.draw(np.arange(-decoys, rows), repetitions, mixed, rng)
    seen = order.played(np.tile(read(sent), (repetitions, 1)))
    seen += np.sqrt(link.inference_noise) * rng.standard_normal(seen.shape)
    usual = (float(np.mean(read(each) ** 2)) for each in (many.x + 1j * many.p, light))
    suspicion = client.suspicion(seen, *usual)
    # A slot's share of the decoys, by the energy of each of them in it.
    share = np.zeros(seen.shape)
    names = np.arange(decoys + rows)
    for decoy in range(decoys):
        share += order.played(np.tile(names == decoy, (repetitions, 1)).astype(float)) ** 2
    tapped = ~client.spared(suspicion, decoys)
    return Spotted(
        _auc(suspicion, share > np.mean(share)),
        float(np.sum(1 - share[tapped]) / np.sum(1 - share)),
        float(np.sum(share[tapped]) / np.sum(share)),
    )


def _auc(scores: Real, positive: NDArray[np.bool_]) -> float:
    """Return the area under the curve of scores that are to be larger where `positive`."""
    ranks = rankdata(scores).reshape(scores.shape)[positive]
    count, rest = len(ranks), scores.size - len(ranks)
    return float((ranks.sum() - count * (count + 1) / 2) / (count * rest))
