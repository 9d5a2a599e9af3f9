"""Statements of a link about light that was never sent, and the signatures under them.

A reserve charges light before it leaves. If the light then does not leave, because the client's
optics were taken away or a process died in between, only whoever holds the server's modulator can
say so: for the simulated link, the link's process. It signs what it says with the key of its
certificate, and from then on it refuses to send that light. The server keeps the statement in its
ledger as the evidence on which the charge is taken back (`BudgetFilter.settle`).

The threat model allows this since the link stands for the optics of both sides: whoever runs it
sees weights and data anyway, so a lie of the link about one part gives away nothing more. The
client has no part in it. Where light leaves through a node nobody can make such a statement, and
what was reserved stays charged.
"""

from __future__ import annotations

import json
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shotveil.host.ledger.accounts import Reserve
from shotveil.host.parties.keys import LINK
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import ProtocolError, Refusal, invalid
from shotveil.models.common.checks import RangeError


class Signer:
    """Signs statements with a link's key. certificate, key: As PEM."""

    def __init__(self, certificate: bytes, key: bytes) -> None:
        self._certificate = certificate
        secret = serialization.load_pem_private_key(key, password=None)
        if not isinstance(secret, ec.EllipticCurvePrivateKey):
            raise RangeError("the link's key is none of an elliptic curve")
        self._key = secret

    def __call__(self, statement: pb.Statement) -> pb.Statement:
        """Return the statement with signature and certificate."""
        signature = self._key.sign(statement.body.encode(), ec.ECDSA(hashes.SHA256()))
        return pb.Statement(body=statement.body, signature=signature, certificate=self._certificate)


def require_signed(statement: pb.Statement, authority: bytes) -> None:
    """Raise `ProtocolError` unless a link that the authority (PEM) certified signed a statement."""
    try:
        issuer = x509.load_pem_x509_certificate(authority)
        own = x509.load_pem_x509_certificate(statement.certificate)
        own.verify_directly_issued_by(issuer)
        key = own.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError("another kind of key")
        key.verify(statement.signature, statement.body.encode(), ec.ECDSA(hashes.SHA256()))
        names = [str(n.value) for n in own.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except (ValueError, TypeError, InvalidSignature):
        names = []
    if names != [LINK]:
        raise ProtocolError(Refusal.PERMISSION_DENIED, "no link signed the statement")


def evidence(statement: pb.Statement) -> dict[str, Any]:
    """Return what a ledger keeps of a statement, as plain values."""
    return {
        "statement": statement.body,
        "signature": statement.signature.hex(),
        "certificate": statement.certificate.decode(),
    }


def from_evidence(kept: Any) -> pb.Statement:
    """Return the statement of which `evidence` is kept. Raises `RangeError` for anything else."""
    try:
        return pb.Statement(
            body=kept["statement"],
            signature=bytes.fromhex(kept["signature"]),
            certificate=kept["certificate"].encode(),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RangeError("the evidence is no statement of a link") from None


def said(statement: pb.Statement) -> dict[str, Any]:
    """Return what a statement says: epoch, session, batch, layer, part and emitted.

    Raises `ProtocolError` for a statement that is not readable.
    """
    try:
        found = json.loads(statement.body)
        if set(found) != {"epoch", "session", "batch", "layer", "part", "emitted"}:
            raise ValueError("other fields")
    except (ValueError, TypeError, RecursionError):
        raise invalid("the link's statement is not readable") from None
    return dict(found)


def is_about(statement: pb.Statement, reserve: Reserve) -> bool:
    """Return whether a statement says that the light of a reserve never left."""
    place = reserve.emission
    return said(statement) == {
        "epoch": place.epoch,
        "session": reserve.session,
        "batch": place.batch,
        "layer": reserve.layer,
        "part": place.part,
        "emitted": False,
    }
