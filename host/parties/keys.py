"""A private certificate authority, and the certificates of server, link and clients.

Every party identifies itself with a certificate that this one authority signed. The role is part of
the certificate's name, so a client cannot act as a server, and a link cannot act as either. Keys
use the elliptic curve P-256. They are files that only their owner can read, and no file that exists
is overwritten.
"""

from __future__ import annotations

import codecs
import datetime
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.foreign import ForeignFile

AUTHORITY, SERVER, LINK, CLIENT = "authority", "server", "link", "client"
PEM_LIMIT = 1 << 16
DOMAIN = "shotveil.invalid"  # this domain never resolves: it names a role, not a machine


def role_name(role: str) -> str:
    """Return the host name that a certificate of `role` carries, on whatever machine it is used."""
    return f"{role}.{DOMAIN}"


def make_keys(folder: Path, clients: Sequence[str], days: int = 365) -> list[Path]:
    """Write the missing keys and certificates of the authority, server, link and `clients`.

    Return the paths of the new certificates. days: Days until they expire, 1 to 3650; the
    authority's own certificate is valid ten times as long. Raises `RangeError` for other numbers of
    days, for a name that `require_client_name` refuses, and where the authority's key cannot be
    used or a key exists without its certificate.
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
            _builder(subject, subject, key.public_key(), now, 10 * days)
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
    """Raise `RangeError` unless `name` is 1 to 32 letters, digits, '-' or '_', no digit first."""
    if not (0 < len(name) <= 32 and name.isascii() and name.replace("-", "_").isidentifier()):
        raise RangeError(
            f"client = {name!r}; allowed: 1 to 32 letters, digits, - and _, not a digit first"
        )


def read_keys(folder: Path, stem: str) -> tuple[bytes, bytes, bytes]:
    """Return the authority's certificate, the party's own certificate and its key, as PEM.

    stem: File name without its suffix, as `make_keys` wrote it. Raises `RangeError` where a file
    cannot be read, and for what `require_usable` refuses. A `UserWarning` tells of a key that other
    users of the machine can read.
    """
    paths = folder / f"{AUTHORITY}.pem", folder / f"{stem}.pem", folder / f"{stem}.key"
    try:
        authority, certificate, key = (
            # TLS does not know the mark that some editors put in front of a text.
            ForeignFile("key file" if path.suffix == ".key" else "certificate", path)
            .read(PEM_LIMIT)
            .removeprefix(codecs.BOM_UTF8)
            for path in paths
        )
    except RangeError as error:
        raise RangeError(f"{error}; `shotveil keys {folder}` makes what is missing") from None
    require_usable(folder, stem, authority, certificate, key)
    if paths[2].stat().st_mode & 0o077:
        warnings.warn(
            f"key file {paths[2]} can be read by other users of this machine; `chmod 600` mends it",
            stacklevel=2,
        )
    return authority, certificate, key


def require_usable(
    folder: Path, stem: str, authority: bytes, certificate: bytes, key: bytes
) -> None:
    """Raise `RangeError` unless a party could identify itself with these files (PEM).

    A peer only hangs up on a bad certificate, so whoever has it must say what is wrong: a file that
    is no PEM, an encrypted key, a key of another certificate, a certificate that is not valid at
    present, or one that another authority signed.
    """
    files = {name: folder / name for name in (f"{AUTHORITY}.pem", f"{stem}.pem", f"{stem}.key")}
    issuer_path, own_path, key_path = files.values()
    found = []
    for path, data in ((issuer_path, authority), (own_path, certificate)):
        try:
            found.append(x509.load_pem_x509_certificate(data))
            found[-1].public_key()
        except (ValueError, UnsupportedAlgorithm):
            raise RangeError(f"{path} is no certificate; allowed: PEM of X.509") from None
    issuer, own = found
    try:
        secret = serialization.load_pem_private_key(key, password=None)
    except TypeError:
        raise RangeError(f"{key_path} is encrypted; allowed: a key without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise RangeError(f"{key_path} is no private key; allowed: PEM without a password") from None
    if secret.public_key() != own.public_key():
        raise RangeError(f"{key_path} is not the key of {own_path}; allowed: a pair")
    now = datetime.datetime.now(datetime.UTC)
    for path, each in ((issuer_path, issuer), (own_path, own)):
        begin, end = each.not_valid_before_utc, each.not_valid_after_utc
        if not begin <= now <= end:
            raise RangeError(
                f"{path} is valid from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, and it "
                f"is {now:%Y-%m-%d %H:%M}; allowed: a valid one, which `shotveil keys {folder}` "
                "makes where the old files have been moved away"
            )
    try:
        own.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        raise RangeError(
            f"{own_path} was not signed by {issuer_path}; allowed: files of one authority"
        ) from None


def _issue(
    folder: Path, stem: str, name: str, now: datetime.datetime, days: int, start: int = 0
) -> None:
    """Write a key and a certificate that the folder's authority signs.

    The certificate is valid for `days` days, from `start` days after `now`. Raises `RangeError`
    where the authority's key cannot be used.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    begin = now + datetime.timedelta(days=start)
    _write(folder, stem, key, certify(folder, stem, name, key.public_key(), begin, days))


def read_authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return the authority's certificate and key. Raises `RangeError` where they are of no use."""
    try:
        issuer = x509.load_pem_x509_certificate((folder / f"{AUTHORITY}.pem").read_bytes())
        signer = serialization.load_pem_private_key(
            (folder / f"{AUTHORITY}.key").read_bytes(), password=None
        )
    except (OSError, ValueError) as error:
        raise RangeError(f"the authority's key in {folder} cannot be used: {error}") from None
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    return issuer, signer


def certify(
    folder: Path,
    stem: str,
    name: str,
    public: ec.EllipticCurvePublicKey,
    begin: datetime.datetime,
    days: int,
) -> x509.Certificate:
    """Return a certificate by the folder's authority for a key that its owner keeps.

    stem: File name of the certificate, which tells the role.
    """
    issuer, signer = read_authority(folder)
    role = CLIENT if stem.startswith(f"{CLIENT}-") else stem
    # A server is also a client of the link, so its certificate has to serve both ends.
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if role != CLIENT:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    common = role if role == name else f"{role}:{name}"
    builder = (
        _builder(_name(common), issuer.subject, public, begin, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(role_name(role))]), critical=False)
    )
    return builder.sign(signer, hashes.SHA256())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    begin: datetime.datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        # The clocks of two machines differ, so the certificate is valid from a little before now.
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
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def write_secret(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write a key to a new file that its owner alone can read. Raises `FileExistsError`."""
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(secret)


def _write(
    folder: Path, stem: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> None:
    try:
        write_secret(folder / f"{stem}.key", key)
    except FileExistsError:
        raise RangeError(
            f"{folder / stem}.key exists without its certificate; move it away first"
        ) from None
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    path = folder / f"{stem}.pem"
    path.write_bytes(pem)
    path.chmod(path.stat().st_mode & ~0o022)  # whoever may write it could put in another authority
