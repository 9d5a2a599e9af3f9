"""What a client accepts of what a server declares, before any light flows.

A server may declare anything. What it grants, and what it says of its network, decide how much the
client's data leak; so the client holds both against limits of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import (
    MOST_IMAGES,
    MOST_MAGNITUDE,
    MOST_MODES,
    MOST_ROWS,
    ProtocolError,
    Refusal,
    check_range,
    check_version,
    invalid,
)
from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import require_text
from shotveil.models.link.amplifier import LARGEST_GAIN
from shotveil.models.link.optics import MOST_PHOTONS

MOST_GAIN = 2 + math.sqrt(2)
"""The gain with the least noise D: at more, the server learns more and the client less."""

MOST_BITS = 8.0
"""Bits of a data element that may leak in an inference by default: the size of a pixel."""


def check_welcome(welcome: pb.Welcome) -> None:
    """Raise `ProtocolError` unless all that a server declares is in range and can be shown."""
    check_version(welcome)
    for name, text in (("network", welcome.network), ("digest", welcome.digest or "none")):
        try:
            require_text(f"the server's {name}", text)
        except RangeError as error:
            raise invalid(str(error)) from None
    check_range("number of layers", len(welcome.layers), 1, 1000)
    for layer in welcome.layers:
        check_range("rows", layer.rows, 1, MOST_ROWS)
        check_range("columns", layer.columns, 1 + layer.bias, 2 * MOST_MODES)
        check_range("scale", layer.scale, 1 / MOST_MAGNITUDE, MOST_MAGNITUDE)
        check_range("patches", layer.patches, 0, MOST_IMAGES)
        check_range("gain", layer.gain, 1 + 1e-9, LARGEST_GAIN)
        check_range("photons", layer.photons, 0, MOST_PHOTONS)
    check_range("transmittance out", welcome.transmittance_out, 1e-9, 1)
    check_range("decoy rate", welcome.decoy_rate, 0, 1)
    check_range("most images of a batch", welcome.most_images, 0, MOST_IMAGES)


def used_gains(granted: Sequence[float], most: float | None) -> list[float]:
    """Return the gain that a client uses in each layer.

    granted: What the server grants. most: The client's own limit, up to which it uses what is
    granted. None means `MOST_GAIN`; then a server that grants more is refused.

    Raises `ProtocolError` for a server that is refused.
    """
    if most is None and max(granted) > MOST_GAIN:
        raise ProtocolError(
            Refusal.FAILED_PRECONDITION,
            f"the server grants gain {max(granted):g}; allowed: at most {MOST_GAIN:.4g}, above "
            "which readings only get worse, unless --max-gain says how much of it to use",
        )
    return [min(gain, MOST_GAIN if most is None else most) for gain in granted]


def check_image_bits(bits: float, inputs: int, most: float | None, bound: str) -> None:
    """Raise `ProtocolError` if one inference tells more `bits` of an image than are allowed.

    inputs: Number of data elements of an image.
    most: What is allowed; None means `MOST_BITS` for each element.
    bound: Name of the bound that the bits are counted by.
    """
    limit = MOST_BITS * inputs if most is None else most
    if bits > limit:
        raise ProtocolError(
            Refusal.FAILED_PRECONDITION,
            f"an image would leak {bits:.4g} bits in an inference ({bound}); allowed: at most "
            f"{limit:.4g}, which a lower --max-gain keeps or a higher --max-image-bits allows",
        )
