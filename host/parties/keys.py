"""A private authority and certificates: who is server, link or client, and nobody else.

Every party proves itself with a certificate of one authority. The role is part of the certificate's
name, so that a client cannot act as a server or a link as either. Keys are files readable to their
owner alone; nothing that exists is overwritten. Elliptic curve P-256.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shotveil.models.common.checks import RangeError, require

AUTHORITY, SERVER, LINK, CLIENT = "authority", "server", "link", "client"
DOMAIN = "shotveil.invalid"  # never resolves: names a role, not a machine


def role_name(role: str) -> str:
    """The name that a certificate of `role` is checked against, wherever its owner runs."""
    return f"{role}.{DOMAIN}"


def make_keys(folder: Path, clients: Sequence[str], days: int = 365) -> list[Path]:
    """Write what is missing of authority, server, link and `clients`; return the new certificates.

    days: until they expire. The authority's own lasts ten times as long. Raises `RangeError` for
    names that are not words, and where a certificate exists without its key.
    """
    require("days", days, at_least=1, at_most=3650, integer=True)
    for name in clients:
        require_client_name(name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.UTC)
    written = []
    if not (folder / f"{AUTHORITY}.pem").exists():
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(AUTHORITY)
        builder = (
            _builder(subject, subject, key, now, 10 * days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign_certificates=True), critical=True)
        )
        _write(folder, AUTHORITY, key, builder.sign(key, hashes.SHA256()))
        written.append(folder / f"{AUTHORITY}.pem")
    wanted = [(SERVER, SERVER), (LINK, LINK), *((f"{CLIENT}-{name}", name) for name in clients)]
    for stem, name in wanted:
        if not (folder / f"{stem}.pem").exists():
            _issue(folder, stem, name, now, days)
            written.append(folder / f"{stem}.pem")
    return written


def require_client_name(name: str) -> None:
    """Raise `RangeError` unless `name` is 1 to 32 letters, digits, '-' or '_'."""
    if not (0 < len(name) <= 32 and name.isascii() and name.replace("-", "_").isidentifier()):
        raise RangeError(
            f"client = {name!r}; allowed: 1 to 32 letters, digits, - and _, not a digit first"
        )


def read_keys(folder: Path, stem: str) -> tuple[bytes, bytes, bytes]:
    """(authority's certificate, own certificate, own key), PEM; raises `RangeError`."""
    paths = folder / f"{AUTHORITY}.pem", folder / f"{stem}.pem", folder / f"{stem}.key"
    try:
        authority, certificate, key = (path.read_bytes() for path in paths)
    except OSError as error:
        raise RangeError(
            f"{error.filename} cannot be read; `shotveil keys {folder}` makes what is missing"
        ) from None
    return authority, certificate, key


def _issue(
    folder: Path, stem: str, name: str, now: datetime.datetime, days: int, start: int = 0
) -> None:
    """A certificate signed by the folder's authority, valid from `start` days after `now`."""
    try:
        issuer = x509.load_pem_x509_certificate((folder / f"{AUTHORITY}.pem").read_bytes())
        signer = serialization.load_pem_private_key(
            (folder / f"{AUTHORITY}.key").read_bytes(), password=None
        )
    except (OSError, ValueError) as error:
        raise RangeError(f"the authority's key in {folder} cannot be used: {error}") from None
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    role = CLIENT if stem.startswith(f"{CLIENT}-") else stem
    key = ec.generate_private_key(ec.SECP256R1())
    begin = now + datetime.timedelta(days=start)
    # A server is also the link's peer: either end of a connection may be asked for its certificate.
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if role != CLIENT:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    common = role if role == name else f"{role}:{name}"
    builder = (
        _builder(_name(common), issuer.subject, key, begin, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(role_name(role))]), critical=False)
    )
    _write(folder, stem, key, builder.sign(signer, hashes.SHA256()))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    begin: datetime.datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks differ: valid a little before now.
        .not_valid_before(begin - datetime.timedelta(minutes=5))
        .not_valid_after(begin + datetime.timedelta(days=days))
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _write(
    folder: Path, stem: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> None:
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(folder / f"{stem}.key", flags, 0o600), "wb") as file:
            file.write(secret)
    except FileExistsError:
        raise RangeError(
            f"{folder / stem}.key exists without its certificate; move it away first"
        ) from None
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / f"{stem}.pem").write_bytes(pem)
