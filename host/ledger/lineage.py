"""Lineage: which networks are charged to one account, because their weights tell of each other.

What leaked of a network's weights has leaked of every network with nearly the same weights: of the
same one saved again, rounded, scaled or trained on. Such networks are of one *lineage* and have one
account. A digest cannot tell this, since one changed bit makes another digest. So the ledger keeps
a *sketch* of each layer and compares sketches.

The sketch is a count sketch (Charikar, Chen and Farach-Colton 2002) of the weights less their mean:
a secret hash sends each weight with a random sign into one of `BUCKETS` sums. The inner product of
two sketches is that of the weights with a standard error of 1/√BUCKETS of their norms, whatever the
weights are, so the cosine of two layers of one shape is known to ±0.031. Layers of n weights from
independent trainings have a cosine of 0 ± 1/√n. From `RELATED` = 0.2 on, and from six standard
errors on in small layers, two layers are taken to be related, and so they are at a cosine of 0.999
in any. Somebody who knows one of two layers whose weights have a correlation of 0.2 knows no more
than ½·log₂(1/(1 − 0.2²)) = 0.03 bit of each weight of the other (jointly Gaussian weights).

Three limits remain, and the owner's statement settles them. Rows or columns in another order hide a
relation, as does another shape: then the owner names the lineage (`serve --lineage`). Weights that
are alike because both came from a public network count as related although what they share is no
secret: then the owner opens an account of its own (`serve --new-account`). Either is an event.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shotveil.host.ledger.accounts import NetworkAccount
from shotveil.models.common.checks import RangeError
from shotveil.models.networks.network import Network

BUCKETS = 1024
RELATED = 0.2
NEARLY_EQUAL = 0.999


def sketches(network: Network, secret: bytes) -> list[str]:
    """Return a sketch of each layer, as text.

    secret: Key of the hash. Without it a sketch tells nothing of a single weight, and nobody can
    choose weights that hide from it.
    """
    return [_sketch(layer.weights, secret) for layer in network.layers]


def _sketch(weights: NDArray[np.float32], secret: bytes) -> str:
    shape = repr(weights.shape).encode()
    seed = hashlib.sha256(secret + b"sketch" + shape).digest()
    rng = np.random.default_rng(np.frombuffer(seed, "<u4"))
    drawn = rng.integers(2 * BUCKETS, size=weights.size)
    centred = weights.astype(np.float64).ravel() - weights.mean(dtype=np.float64)
    if not centred.any():  # all weights are the same number
        centred = np.ones(weights.size)
    signed = np.where(drawn < BUCKETS, 1.0, -1.0) * centred / np.linalg.norm(centred)
    sums = np.bincount(drawn % BUCKETS, weights=signed, minlength=BUCKETS)
    return base64.b64encode(sums.astype("<f4").tobytes()).decode()


def cosine(one: str, other: str) -> float:
    """Return the cosine of two layers of the same shape, from their sketches."""
    a, b = (
        np.frombuffer(base64.b64decode(text), "<f4").astype(np.float64) for text in (one, other)
    )
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def threshold(weights: int) -> float:
    """Return the |cosine| from which on two layers with so many weights are taken as related."""
    return min(max(RELATED, 6 / float(np.sqrt(weights))), NEARLY_EQUAL)


def likeness(
    shapes: Sequence[tuple[int, int]], own: Sequence[str], account: NetworkAccount
) -> tuple[float, int]:
    """Return the largest |cosine| of a layer over its threshold, and the layer's number.

    shapes, own: Rows and columns, and the sketch, of each layer of a network. They are compared
    with the layers of the same shape of all networks of an account. Returns (0, 0) without any.
    """
    return max(
        (
            (abs(cosine(sketch, theirs)) / threshold(shape[0] * shape[1]), number)
            for known in account.sketches.values()
            for number, (shape, sketch) in enumerate(zip(shapes, own, strict=True))
            for other, theirs in zip(account.layers, known, strict=True)
            if shape == other
        ),
        default=(0.0, 0),
    )


def lineage_of(
    network: Network, own: Sequence[str], accounts: dict[str, NetworkAccount]
) -> str | None:
    """Return the digest of the account that a new network belongs to; None if to none.

    Raises `RangeError` where a layer is related to one of a network with other layers, whose
    account cannot hold this one's.
    """
    shapes = [(layer.rows, layer.columns) for layer in network.layers]
    near = [(likeness(shapes, own, account), digest) for digest, account in accounts.items()]
    (score, number), digest = max(near, default=((0.0, 0), ""))
    if score < 1:
        return None
    account = accounts[digest]
    if account.layers != shapes:
        raise RangeError(
            f"layer {number} of {network.name} is like one of {account.name} ({digest[:12]}), "
            "whose other layers differ, so that one account cannot hold both; allowed: an account "
            "of its own, where the layer is no secret (--new-account)"
        )
    return digest
