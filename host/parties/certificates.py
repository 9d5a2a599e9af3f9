"""Certificates for keys that never leave their owner, and the list of those that are revoked.

A client makes its key and a request, and sends the request alone. The authority signs it for the
name that it states, whatever the request says. A certificate that must not be used any more is put
on the authority's list, a standard list of revoked certificates (X.509), which a server reads anew
whenever its file has changed.
"""

from __future__ import annotations

import datetime
import threading
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shotveil.host.parties.keys import (
    AUTHORITY,
    CLIENT,
    PEM_LIMIT,
    certify,
    read_authority,
    require_client_name,
    write_secret,
)
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.files import write_atomically
from shotveil.models.common.foreign import ForeignFile

REVOKED = "revoked.pem"  # beside the authority's certificate, at the authority and at each server
LIST_DAYS = 3650


def make_request(folder: Path, client: str) -> Path:
    """Make a key for a client, and return the path of the request for a certificate of it.

    Raises `RangeError` where the key exists, or for a name that is not allowed.
    """
    require_client_name(client)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stem = f"{CLIENT}-{client}"
    key_path = folder / f"{stem}.key"
    key = ec.generate_private_key(ec.SECP256R1())
    try:
        write_secret(key_path, key)
    except FileExistsError:
        raise RangeError(
            f"{key_path} exists; allowed: a folder without it, so make a new key in a new folder"
        ) from None
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{CLIENT}:{client}")])
    asked = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    path = folder / f"{stem}.csr"
    path.write_bytes(asked.public_bytes(serialization.Encoding.PEM))
    return path


def sign_request(folder: Path, request: Path, client: str, out: Path, days: int = 365) -> Path:
    """Certify the key of a request for a client, by the authority in `folder`; return `out`.

    client: The name that the authority gives; the request has to ask for the same one.
    days: Days until the certificate expires, 1 to 3650.

    Raises `RangeError` for what is no request of a key on P-256 by who has it, for another name,
    and where `out` exists.
    """
    require("days", days, at_least=1, at_most=3650, integer=True)
    require_client_name(client)
    data = ForeignFile("request", request).read(PEM_LIMIT)
    try:
        asked = x509.load_pem_x509_csr(data)
        public = asked.public_key()
        names = asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        valid = asked.is_signature_valid
    except (ValueError, TypeError, InvalidSignature):
        raise RangeError(f"{request} is no request; allowed: PEM of PKCS #10") from None
    if not (isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name == "secp256r1"):
        raise RangeError(f"{request} is for another kind of key; allowed: P-256")
    if not valid:
        raise RangeError(f"{request} is not signed by the key that it is for")
    wanted = [str(each.value) for each in names]
    if wanted != [f"{CLIENT}:{client}"]:
        raise RangeError(
            f"{request} asks for {', '.join(wanted) or 'no name'}; allowed: {CLIENT}:{client}, as "
            "--client says"
        )
    if out.exists():
        raise RangeError(f"{out} exists; allowed: a name that is free")
    now = datetime.datetime.now(datetime.UTC)
    certificate = certify(folder, f"{CLIENT}-{client}", client, public, now, days)
    write_atomically(out, certificate.public_bytes(serialization.Encoding.PEM))
    return out


def revoke(folder: Path, certificate: Path) -> int:
    """Put a certificate on the list of the authority in `folder`; return how many are on it.

    Raises `RangeError` for a certificate of another authority, and for a list that is not this
    authority's.
    """
    issuer, signer = read_authority(folder)
    try:
        bad = x509.load_pem_x509_certificate(
            ForeignFile("certificate", certificate).read(PEM_LIMIT)
        )
        bad.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        raise RangeError(
            f"{certificate} is no certificate of the authority in {folder}; allowed: one of it"
        ) from None
    path = folder / REVOKED
    now = datetime.datetime.now(datetime.UTC)
    entries = {each.serial_number: each for each in _read(path, issuer)} if path.exists() else {}
    entries.setdefault(
        bad.serial_number,
        x509.RevokedCertificateBuilder()
        .serial_number(bad.serial_number)
        .revocation_date(now)
        .build(),
    )
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(now)
        .next_update(now + datetime.timedelta(days=LIST_DAYS))
    )
    for entry in entries.values():
        builder = builder.add_revoked_certificate(entry)
    signed = builder.sign(signer, hashes.SHA256())
    write_atomically(path, signed.public_bytes(serialization.Encoding.PEM))
    return len(entries)


class Revocations:
    """The list of revoked certificates beside the keys in a folder, as it is at each moment.

    Threads may share it. Where there is no list, nothing is revoked. Raises `RangeError`, also
    later, for a list that is not the authority's: then nobody is let in until it is mended.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / REVOKED
        authority = ForeignFile("certificate", folder / f"{AUTHORITY}.pem").read(PEM_LIMIT)
        self._issuer = x509.load_pem_x509_certificate(authority)
        self._guard = threading.Lock()
        self._state: tuple[int, int, int] | None = None
        self._serials: frozenset[int] = frozenset()
        self._look()

    def has(self, certificate: bytes) -> bool:
        """Return whether a certificate (PEM) is on the list."""
        self._look()
        if not self._serials:
            return False
        return x509.load_pem_x509_certificate(certificate).serial_number in self._serials

    def _look(self) -> None:
        with self._guard:
            try:
                status = self._path.stat()
            except FileNotFoundError:
                if self._state is not None:
                    raise RangeError(f"{self._path} is gone; put it back") from None
                return
            state = status.st_ino, status.st_mtime_ns, status.st_size
            if state != self._state:
                found = _read(self._path, self._issuer)
                self._serials = frozenset(each.serial_number for each in found)
                self._state = state


def _read(path: Path, issuer: x509.Certificate) -> list[x509.RevokedCertificate]:
    key = issuer.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    try:
        found = x509.load_pem_x509_crl(ForeignFile("list", path).read(1 << 24))
        valid = found.is_signature_valid(key)
    except (ValueError, TypeError, InvalidSignature):
        valid = False
    if not valid:
        raise RangeError(f"{path} is no list of the authority beside it; allowed: one of it")
    return list(found)
