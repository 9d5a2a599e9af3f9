import errno
import os
import socket
import tempfile

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


def test_folders_that_are_gone_are_findings_like_others(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(tempfile, "gettempdir", _no_space)
    found = states()
    assert found["environment"].state == OK
    assert found["working folder"].state == BAD
    assert "change to a folder" in found["working folder"].mend
    assert found["temporary folder"] == (
        BAD, "temporary folder", "none: No space left on device",
        "set TMPDIR to a folder that can be written",
    )  # fmt: skip


def _no_space():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
