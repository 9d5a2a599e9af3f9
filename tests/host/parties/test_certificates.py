"""Requests, what the authority signs, and the list of what it revoked."""

import datetime
import os
import stat
import time

import pytest

pytest.importorskip("grpc")
pytest.importorskip("cryptography")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from shotveil.host.parties.certificates import (
    REVOKED,
    Revocations,
    make_request,
    revoke,
    sign_request,
)
from shotveil.host.parties.keys import make_keys, read_keys
from shotveil.host.parties.rpc import RemoteModel, serve_model
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import VERSION, ProtocolError
from shotveil.models.common.checks import RangeError
from tests.host.parties.parties import parties
from tests.host.parties.test_keys import lifetime


@pytest.fixture
def owner(tmp_path):
    make_keys(tmp_path / "owner", ["bob"])
    return tmp_path / "owner"


@pytest.fixture
def alice(tmp_path, owner):
    folder = tmp_path / "alice"
    asked = make_request(folder, "alice")
    sign_request(owner, asked, "alice", folder / "client-alice.pem")
    (folder / "authority.pem").write_bytes((owner / "authority.pem").read_bytes())
    return folder


def asked_for(folder, name, key):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = x509.CertificateSigningRequestBuilder().subject_name(subject)
    path = folder / "made.csr"
    path.write_bytes(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path


def test_a_request_holds_no_secret_and_its_certificate_fits_the_key(alice):
    secret = (alice / "client-alice.key").read_text().splitlines()[1:-1]
    asked = (alice / "client-alice.csr").read_text()
    assert secret and not any(line in asked for line in secret)
    assert stat.S_IMODE((alice / "client-alice.key").stat().st_mode) == 0o600
    _, certificate, _ = read_keys(alice, "client-alice")
    found = x509.load_pem_x509_certificate(certificate)
    assert found.subject.rfc4514_string() == "CN=client:alice"
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert usage == x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH])


def test_a_key_is_never_overwritten(alice):
    before = (alice / "client-alice.key").read_bytes()
    with pytest.raises(RangeError, match=r"client-alice\.key exists"):
        make_request(alice, "alice")
    assert (alice / "client-alice.key").read_bytes() == before


@pytest.mark.parametrize("name", ["server", "client:bob", "client:alice\n", "link"])
def test_no_other_name_is_signed_than_the_owner_gives(owner, tmp_path, name):
    asked = asked_for(tmp_path, name, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(RangeError, match="allowed: client:alice"):
        sign_request(owner, asked, "alice", tmp_path / "out.pem")
    assert not (tmp_path / "out.pem").exists()


def test_what_is_no_good_request_is_refused(owner, alice, tmp_path):
    out = tmp_path / "out.pem"
    asked = asked_for(tmp_path, "client:alice", rsa.generate_private_key(65537, 2048))
    with pytest.raises(RangeError, match="another kind of key"):
        sign_request(owner, asked, "alice", out)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(RangeError, match="is no request"):
        sign_request(owner, tmp_path / "text", "alice", out)
    der = x509.load_pem_x509_csr((alice / "client-alice.csr").read_bytes()).public_bytes(
        serialization.Encoding.DER
    )
    broken = x509.load_der_x509_csr(der[:-1] + bytes([der[-1] ^ 1]))
    (tmp_path / "broken").write_bytes(broken.public_bytes(serialization.Encoding.PEM))
    with pytest.raises(RangeError, match="not signed by the key"):
        sign_request(owner, tmp_path / "broken", "alice", out)
    with pytest.raises(RangeError, match="exists; allowed"):
        sign_request(owner, alice / "client-alice.csr", "alice", alice / "client-alice.pem")


@pytest.mark.parametrize("days", [0, 3651, 1.5])
def test_a_certificate_lasts_from_a_day_to_ten_years(owner, alice, tmp_path, days):
    request = alice / "client-alice.csr"
    with pytest.raises(RangeError, match=rf"days = {days} is outside the integers in \[1, 3650\]"):
        sign_request(owner, request, "alice", tmp_path / "no.pem", days)
    assert not (tmp_path / "no.pem").exists()
    for good in (1, 3650):
        out = sign_request(owner, request, "alice", tmp_path / f"{good}.pem", good)
        assert lifetime(out) == good


def test_a_list_is_read_anew_and_only_if_it_is_the_authoritys(owner, alice, tmp_path):
    certificate = (alice / "client-alice.pem").read_bytes()
    other = (owner / "client-bob.pem").read_bytes()
    known = Revocations(owner)
    assert not known.has(certificate)
    assert revoke(owner, owner / "client-bob.pem") == 1
    assert known.has(other) and not known.has(certificate)
    assert revoke(owner, alice / "client-alice.pem") == 2
    assert revoke(owner, alice / "client-alice.pem") == 2
    assert known.has(other) and known.has(certificate)
    found = x509.load_pem_x509_crl((owner / REVOKED).read_bytes())
    assert len(found) == 2
    assert found.next_update_utc > datetime.datetime.now(datetime.UTC)
    whole = (owner / REVOKED).read_bytes()
    make_keys(tmp_path / "else", ["bob"])
    with pytest.raises(RangeError, match="no certificate of the authority"):
        revoke(owner, tmp_path / "else/client-bob.pem")
    revoke(tmp_path / "else", tmp_path / "else/client-bob.pem")
    (owner / REVOKED).write_bytes((tmp_path / "else" / REVOKED).read_bytes())
    for look in (lambda: known.has(other), lambda: Revocations(owner)):
        with pytest.raises(RangeError, match="no list of the authority"):
            look()
    (owner / REVOKED).write_bytes(whole)
    os.utime(owner / REVOKED, ns=(time.time_ns(), time.time_ns()))
    assert known.has(other)
    (owner / REVOKED).unlink()
    with pytest.raises(RangeError, match="is gone"):
        known.has(other)


def test_a_server_refuses_a_revoked_client_from_the_next_request_on(owner, alice, tmp_path):
    hello = pb.Hello(version=VERSION)
    with parties(tmp_path) as (_, server, _):
        own = read_keys(owner, "server")
        answering, port = serve_model(server, "127.0.0.1:0", own, revoked=Revocations(owner).has)
        models = {
            name: RemoteModel(f"127.0.0.1:{port}", read_keys(folder, f"client-{name}"))
            for name, folder in (("alice", alice), ("bob", owner))
        }
        session = models["alice"].open(hello).session
        revoke(owner, alice / "client-alice.pem")
        request = pb.LayerRequest(version=VERSION, session=session, images=1)
        for ask in (
            lambda: models["alice"].open(hello),
            lambda: next(models["alice"].run_layer(request)),
        ):
            with pytest.raises(ProtocolError, match="certificate of client alice was revoked"):
                ask()
        models["bob"].open(hello)
        for model in models.values():
            model.hang_up()
        answering.stop(0).wait()
