"""Certificates: who is let in, in which role, and who is not."""

import datetime
import logging
import os

import grpc
import pytest
from cryptography import x509

from shotveil.host.parties import rpc
from shotveil.host.parties.keys import CLIENT, LINK, SERVER, _issue, make_keys, read_keys, role_name
from shotveil.host.parties.optical_link import SimulatedLink
from shotveil.host.parties.rpc import RemoteClientPort, RemoteModel, RemoteServerPort, serve_link
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import ProtocolError, Refusal
from shotveil.models.common.checks import RangeError
from tests.host.parties.parties import LINK as SETTINGS


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    ours, theirs = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("theirs")
    make_keys(ours, ["alice"])
    make_keys(theirs, ["alice"])
    now = datetime.datetime.now(datetime.UTC)
    _issue(ours, "client-late", "late", now - datetime.timedelta(days=30), 1)
    _issue(ours, "client-early", "early", now, 1, start=10)
    return ours, theirs


def unchecked(folder, stem):
    """The files as somebody has them who does not look at them first."""
    return tuple((folder / n).read_bytes() for n in ("authority.pem", f"{stem}.pem", f"{stem}.key"))


@pytest.fixture(scope="module")
def served(folders):
    shots = []
    link = SimulatedLink(SETTINGS, 1, patience=0.2, record=shots.append)
    server, port = serve_link(link, "127.0.0.1:0", read_keys(folders[0], LINK))
    yield f"127.0.0.1:{port}", shots
    server.stop(grace=0).wait()


def test_files_are_private_complete_and_never_overwritten(tmp_path):
    made = make_keys(tmp_path, ["alice"])
    assert {path.name for path in made} == {
        "authority.pem",
        "server.pem",
        "link.pem",
        "client-alice.pem",
    }
    for path in tmp_path.glob("*.key"):
        assert path.stat().st_mode & 0o077 == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert [path.name for path in make_keys(tmp_path, ["alice", "bob"])] == ["client-bob.pem"]
    assert all(path.read_bytes() == data for path, data in before.items())
    (tmp_path / "client-bob.pem").unlink()
    with pytest.raises(RangeError, match="without its certificate"):
        make_keys(tmp_path, ["bob"])


@pytest.mark.parametrize("name", ["", "a b", "a:b", "../x", "x" * 33, "é", "1a"])
def test_names_are_words(tmp_path, name):
    with pytest.raises(RangeError, match="client = "):
        make_keys(tmp_path / "keys", [name])


def lifetime(path):
    """Days for which a certificate is valid."""
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days


def test_keys_last_from_a_day_to_ten_years(tmp_path):
    for days in (0, 3651, 1.5):
        with pytest.raises(RangeError, match=rf"days = {days} is outside .* \[1, 3650\]"):
            make_keys(tmp_path / "none", ["alice"], days)
    assert not (tmp_path / "none").exists()
    for days in (1, 3650):
        made = make_keys(tmp_path / str(days), ["alice"], days)
        by_name = {path.name: lifetime(path) for path in made}
        assert by_name["client-alice.pem"] == by_name["server.pem"] == days
        assert by_name["authority.pem"] == 10 * days


def test_missing_keys_name_the_command(tmp_path):
    with pytest.raises(RangeError, match="shotveil keys"):
        read_keys(tmp_path, SERVER)


def test_a_good_certificate_is_let_in_its_own_role_only(folders, served, caplog, monkeypatch):
    monkeypatch.setattr(rpc, "_REFUSALS", rpc._Refusals())  # whose log other tests may have filled
    address, shots = served
    client = read_keys(folders[0], f"{CLIENT}-alice")
    as_server = RemoteServerPort(address, client)
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(ProtocolError, match="of a client, not of a server") as refused,
    ):
        as_server.drop(pb.Dropped(version=4))
    assert refused.value.refusal is Refusal.PERMISSION_DENIED
    assert "refused" in caplog.text
    as_server.hang_up()
    port = RemoteServerPort(address, read_keys(folders[0], SERVER))
    port.claim()
    port.drop(pb.Dropped(version=4))
    port.hang_up()
    as_client = RemoteClientPort(address, read_keys(folders[0], SERVER))
    with pytest.raises(ProtocolError, match="of a server, not of a client"):
        next(as_client.measure(pb.Settings(version=4)))
    as_client.hang_up()
    assert shots == []


@pytest.mark.parametrize(
    "which, stem", [(1, "client-alice"), (0, "client-late"), (0, "client-early")]
)
def test_a_wrong_or_expired_certificate_is_refused(folders, served, which, stem, capfd):
    authority, _, _ = read_keys(folders[0], LINK)
    _, certificate, key = unchecked(folders[which], stem)
    with pytest.raises(ProtocolError, match="certificate was refused"):
        RemoteClientPort(served[0], (authority, certificate, key), patience=1.0)
    assert "Handshake failed" in capfd.readouterr().err  # logged, with the reason
    assert served[1] == []


def test_no_certificate_is_refused(folders, served):
    authority = read_keys(folders[0], LINK)[0]
    options = [("grpc.ssl_target_name_override", role_name(LINK))]
    credentials = grpc.ssl_channel_credentials(authority)
    with grpc.secure_channel(served[0], credentials, options) as channel:
        call = channel.unary_unary("/shotveil.v1.ServerPort/Drop")
        with pytest.raises(grpc.RpcError):
            call(b"", timeout=2)
    with grpc.insecure_channel(served[0]) as channel:
        call = channel.unary_unary("/shotveil.v1.ServerPort/Drop")
        with pytest.raises(grpc.RpcError):
            call(b"", timeout=2)


def test_a_link_cannot_pass_for_a_server(folders, served):
    with pytest.raises(ProtocolError, match="no server at"):
        RemoteModel(served[0], read_keys(folders[0], f"{CLIENT}-alice"), patience=1.0)


def encrypted(folder):
    from cryptography.hazmat.primitives import serialization as pem

    key = pem.load_pem_private_key((folder / "link.key").read_bytes(), None)
    return key.private_bytes(
        pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.BestAvailableEncryption(b"x")
    )


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("link.key", encrypted, "link.key is encrypted"),
        ("link.key", lambda f: (f / "server.key").read_bytes(), "is not the key of"),
        ("link.key", lambda f: b"rubbish", "link.key is no private key"),
        ("link.pem", lambda f: b"rubbish", "link.pem is no certificate"),
        ("link.pem", lambda f: bytes(1 << 20), "has 1,048,576 bytes; allowed: at most 65,536"),
        ("authority.pem", lambda f: (f / "server.pem").read_bytes(), "was not signed by"),
    ],
)
def test_ones_own_files_are_refused_by_name_before_anything_connects(tmp_path, file, content, said):
    make_keys(tmp_path, [])
    (tmp_path / file).write_bytes(content(tmp_path))
    with pytest.raises(RangeError, match=said):
        read_keys(tmp_path, LINK)


def test_ones_own_expired_certificate_and_another_authoritys_are_refused(folders):
    ours, _ = folders
    for stem in ("client-late", "client-early"):
        with pytest.raises(RangeError, match=rf"{stem}.pem is valid from .* and it is"):
            read_keys(ours, stem)


def test_tells_of_a_key_that_others_can_read(tmp_path):
    make_keys(tmp_path, [])
    (tmp_path / "link.key").chmod(0o644)
    with pytest.warns(UserWarning, match="can be read by other users of this machine"):
        read_keys(tmp_path, LINK)


def test_nobody_else_may_write_a_certificate(tmp_path):
    before = os.umask(0)
    try:
        make_keys(tmp_path, ["alice"])
    finally:
        os.umask(before)
    assert all(path.stat().st_mode & 0o022 == 0 for path in tmp_path.iterdir())
