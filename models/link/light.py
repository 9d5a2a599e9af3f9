"""The light of a network: one link for all layers, or one for each.

A network is sent layer by layer, and each layer may have a gain and a photon number of its own. A
`Link` stands for the same light in every layer; a sequence of them gives each layer its own. The
fibre is one, so such links differ in nothing that the client takes into account but the gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from shotveil.models.common.checks import RangeError
from shotveil.models.link.channel import Channel
from shotveil.models.link.optics import Link

T = TypeVar("T")

Light = Link | Sequence[Link]
"""One link for all layers of a network, or a sequence with one for each, first to last."""

Values = float | Sequence[float]
"""One number for all layers, or a sequence with one for each."""

# One fibre and one receiver of the client serve all layers. What the server declares of its own
# receiver and of technical noise may depend on the light.
_SHARED = (
    "transmittance_out",
    "transmittance_back",
    "phase_error",
    "loss_imbalance",
    "client_detector",
)


def links_of(light: Light, layers: int) -> tuple[Link, ...]:
    """Return the link of each of so many `layers`.

    Raises `RangeError` for another number of links, and for links over different fibres or to
    different detectors of the client.

    >>> from shotveil.models.link.optics import Link
    >>> [link.gain for link in links_of(Link(gain=1.3, photons=6), 2)]
    [1.3, 1.3]
    """
    if isinstance(light, Link):
        return (light,) * layers
    links = tuple(light)
    if len(links) != layers:
        raise RangeError(
            f"light is given for {len(links)} layers; allowed: for {layers}, or one for all"
        )
    for name in _SHARED:
        values = [getattr(link, name) for link in links]
        if any(value != values[0] for value in values):
            raise RangeError(
                f"{name} differs from layer to layer: {', '.join(map(str, values))}; "
                "allowed: the same for all layers, which share one fibre"
            )
    return links


def light_through(
    channel: Channel, gain: Values, *, photons: Values | None = None, f2: Values | None = None
) -> Light:
    """Return the light through `channel` for gains, and photon numbers or F², of the layers.

    A number holds for all layers. The result is a `Link` if all are numbers, otherwise a link for
    each layer. Raises `RangeError` for sequences of different lengths, and as `Link.through`.

    >>> [round(link.f2) for link in light_through(Channel(), (1.3, 1.01), f2=(1, 64))]
    [1, 64]
    """
    counts = {len(each) for each in (gain, photons, f2) if isinstance(each, Sequence)}
    if not counts:
        return Link.through(channel, _at(gain, 0), photons=_at(photons, 0), f2=_at(f2, 0))
    if len(counts) > 1:
        numbers = " and ".join(map(str, sorted(counts)))
        raise RangeError(f"light is given for {numbers} layers; allowed: as many values for each")
    return tuple(
        Link.through(channel, _at(gain, k), photons=_at(photons, k), f2=_at(f2, k))
        for k in range(counts.pop())
    )


def one_or_each(values: Sequence[T]) -> T | list[T]:
    """Return the value that all layers share, or the list of the layers' values."""
    return values[0] if all(value == values[0] for value in values) else list(values)


def _at(values: Sequence[T] | T, layer: int) -> T:
    return values[layer] if isinstance(values, Sequence) else values
