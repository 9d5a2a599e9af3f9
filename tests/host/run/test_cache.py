"""Where the cache is, and what is said where there can be none."""

from pathlib import Path

import pytest

from shotveil.host.run.cache import cache_folder, cache_path
from shotveil.models.common.checks import RangeError


def test_the_environment_says_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path / "mine"))
    assert cache_path("kind", "file") == tmp_path / "mine" / "kind" / "file"


def test_a_home_and_the_working_folder_may_be_named_shortly(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SHOTVEIL_CACHE", "~/mine")
    assert cache_path() == tmp_path / "home" / "mine"
    monkeypatch.setenv("SHOTVEIL_CACHE", "mine")
    kept = cache_path()
    monkeypatch.chdir(tmp_path.parent)
    assert kept == tmp_path / "mine"  # not elsewhere once the working folder changes


def test_it_is_the_user_s_own_otherwise(monkeypatch, tmp_path):
    monkeypatch.delenv("SHOTVEIL_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_path().name == "shotveil" and tmp_path in cache_path().parents


def test_asking_where_makes_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path / "mine"))
    cache_path("kind")
    assert not (tmp_path / "mine").exists()
    assert cache_folder("kind").is_dir()


def test_a_cache_that_cannot_be_made_gives_one_line(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path / "file"))
    with pytest.raises(RangeError, match=r"file/kind cannot .*set SHOTVEIL_CACHE") as refused:
        cache_folder("kind")
    assert "\n" not in str(refused.value)


def test_a_read_only_home_gives_one_line(monkeypatch, tmp_path):
    """Root may write anywhere, so the system's answer is given in its place."""
    monkeypatch.setenv("SHOTVEIL_CACHE", str(tmp_path))
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(RangeError, match=r"read-only; set SHOTVEIL_CACHE"):
        cache_folder()
