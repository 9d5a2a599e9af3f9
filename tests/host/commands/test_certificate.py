"""`shotveil certificate`: a client's own key, its certificate, and the end of it."""

import json

import pytest

pytest.importorskip("cryptography")

from shotveil.host.parties.keys import make_keys, read_keys


def test_a_key_stays_with_its_client_until_it_is_revoked(shotveil, refused, tmp_path):
    make_keys(tmp_path / "owner", [])
    code, out, _ = shotveil(f"certificate request {tmp_path}/alice --client alice --json")
    made = json.loads(out)
    assert code == 0 and made["request"] == f"{tmp_path}/alice/client-alice.csr"
    # The owner has the request alone.
    line = f"certificate sign {tmp_path}/owner --request {made['request']}"
    back = tmp_path / "alice/client-alice.pem"
    code, out, _ = shotveil(f"{line} --client alice --days 9 --out {back}")
    assert code == 0 and out.startswith(f"{back}: for client alice")
    assert not list((tmp_path / "owner").glob("client-*"))
    (tmp_path / "alice/authority.pem").write_bytes((tmp_path / "owner/authority.pem").read_bytes())
    read_keys(tmp_path / "alice", "client-alice")
    line = f"certificate revoke {tmp_path}/owner --certificate {back}"
    assert json.loads(shotveil(f"{line} --json")[1]) == {
        "list": f"{tmp_path}/owner/revoked.pem",
        "revoked": 1,
    }
    assert shotveil(line)[1] == f"{tmp_path}/owner/revoked.pem: 1 revoked\n"
    refused(f"certificate request {tmp_path}/alice --client alice", "client-alice.key exists")
    refused("certificate request folder --client a/b", "client = 'a/b'")
