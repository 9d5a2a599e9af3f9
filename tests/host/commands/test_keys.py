"""`shotveil keys`: certificates made once, for whom and for how long."""

import datetime
import json

import pytest

pytest.importorskip("cryptography")
from cryptography import x509

from shotveil.host.commands import keys as module


def days_of(path):
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return left / datetime.timedelta(days=1)


def test_keys_are_listed_as_they_are_made(shotveil, refused, tmp_path):
    code, out, _ = shotveil(f"keys {tmp_path}/keys --client alice")
    assert code == 0
    made = ["authority", "server", "link", "client-alice"]
    assert out.splitlines() == [f"{tmp_path}/keys/{stem}.pem" for stem in made]
    assert shotveil(f"keys {tmp_path}/keys --client alice")[1] == ""
    code, out, _ = shotveil(f"keys {tmp_path}/keys --client bob --client eve --json")
    further = [str(tmp_path / "keys" / f"client-{name}.pem") for name in ("bob", "eve")]
    assert code == 0 and json.loads(out) == {"files": further}
    assert json.loads(shotveil(f"keys {tmp_path}/keys --json")[1]) == {"files": []}
    refused("keys keys --client a/b", "client = 'a/b'")


@pytest.mark.parametrize("option, days", [("", 365), ("--days 9", 9)])
def test_when_they_expire(shotveil, tmp_path, option, days):
    assert shotveil(f"keys {tmp_path} {option}")[0] == 0
    assert days_of(tmp_path / "server.pem") == pytest.approx(days, abs=0.01)


def test_refuses(refused, monkeypatch):
    refused("keys folder --days 0", "days = 0 is outside the integers in [1, 3650]")
    refused("keys", "Missing argument 'FOLDER'")

    def lacking():
        raise ModuleNotFoundError("grpc is not installed")

    monkeypatch.setattr(module, "require_extra", lacking)
    refused("keys folder", "grpc is not installed")
