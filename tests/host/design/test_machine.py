import socket

from shotveil.host.design.machine import BAD, OK, findings


def states(**given):
    return {f.what: f for f in findings(**{"keys": None, "ledger": None, "addresses": (), **given})}


def test_a_port_in_use_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = states(addresses=[f"127.0.0.1:{port}"])["address"]
        assert found.state == BAD and "Address already in use" in found.said
    assert states(addresses=[f"127.0.0.1:{port}"])["address"].state == OK
    for wrong in ("127.0.0.1", "x:0", "x:99999", "x:http"):
        assert states(addresses=[wrong])["address"].state == BAD


def test_a_folder_without_keys_and_a_missing_ledger_are_named(tmp_path):
    found = states(keys=tmp_path, ledger=tmp_path / "none.db")
    assert found["keys"].state == found["ledger"].state == BAD
    assert "shotveil keys" in found["keys"].mend and "-wal" in found["ledger"].mend
