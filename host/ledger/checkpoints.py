"""Checkpoints: signed heads of a ledger, which others keep for its owner.

A ledger whose whole file is put back as it was earlier looks whole. Only somebody who remembers
what it held later can tell. So every receipt of a client carries a checkpoint: the head of the
ledger, its time, and an Ed25519 signature by a key that only the ledger's owner has. The owner can
publish checkpoints as well. A ledger that does not hold the event of a checkpoint that bears its
own signature was rolled back, or lost its end.

The head names an event by its HMAC, so a checkpoint tells nobody what the event was. The key is
derived from the ledger's own, and its public half is the ledger's name to others.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from shotveil.host.ledger.event_log import EventLog, Head
from shotveil.models.common.checks import RangeError

_LABEL = b"shotveil ledger checkpoint 1\n"


@dataclass(frozen=True)
class Checkpoint:
    """A ledger's statement of its last event.

    ledger: The ledger's public key, 64 hexadecimal digits.
    head: The last event.
    time: When it was signed, in seconds since 1970.
    signature: Over all of these.
    """

    ledger: str
    head: Head
    time: float
    signature: bytes = b""

    @property
    def statement(self) -> bytes:
        """The bytes that are signed."""
        return _LABEL + json.dumps([self.ledger, str(self.head), self.time]).encode()

    def __str__(self) -> str:
        """Return the checkpoint as one line of JSON."""
        return json.dumps(
            {
                "ledger": self.ledger,
                "head": str(self.head),
                "time": self.time,
                "signature": self.signature.hex(),
            }
        )

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Return the checkpoint that `str` made this text of, once its signature is checked.

        Raises `RangeError` for other text, and for a signature that is not the ledger's.
        """
        try:
            found: dict[str, Any] = json.loads(text)
            checkpoint = cls(
                str(found["ledger"]),
                Head.parse(found["head"]),
                float(found["time"]),
                bytes.fromhex(found["signature"]),
            )
            key = bytes.fromhex(checkpoint.ledger)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise RangeError(
                "a checkpoint is not readable; allowed: a line that a ledger wrote"
            ) from None
        # Imported here: whoever only looks at a ledger needs no package for signatures.
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(key).verify(
                checkpoint.signature, checkpoint.statement
            )
        except (InvalidSignature, ValueError):
            raise RangeError(
                f"the checkpoint of event {checkpoint.head.sequence} is not signed by the ledger "
                "that it names"
            ) from None
        return checkpoint


def sign(log: EventLog) -> Checkpoint:
    """Return a checkpoint of the last event of a log that surely lasts."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(log.signing_secret)
    unsigned = Checkpoint(
        key.public_key().public_bytes_raw().hex(), log.lasting, round(time.time(), 3)
    )
    signature = key.sign(unsigned.statement)
    return Checkpoint(unsigned.ledger, unsigned.head, unsigned.time, signature)


def require_part_of(log: EventLog, checkpoint: Checkpoint) -> None:
    """Raise `RangeError` where a log does not hold the event of a checkpoint that it signed.

    So a ledger that was rolled back is shown by any receipt. A checkpoint of another ledger is
    refused as well. The chain itself is checked by `EventLog.verify`.
    """
    if sign(log).ledger != checkpoint.ledger:
        raise RangeError(
            f"the checkpoint of event {checkpoint.head.sequence} is of ledger "
            f"{checkpoint.ledger[:16]}, and {log.path} is {sign(log).ledger[:16]}"
        )
    if not log.holds(checkpoint.head):
        raise RangeError(
            f"ledger {log.path} was rolled back: it has {log.head.sequence} events and does not "
            f"hold event {checkpoint.head.sequence}, for which it signed a checkpoint; put back "
            "the newest copy"
        )
