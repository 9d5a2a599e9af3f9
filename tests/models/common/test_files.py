import os

import pytest

from shotveil.models.common.checks import RangeError
from shotveil.models.common.files import write_atomically


@pytest.mark.parametrize("data", [b"bytes \xff", "text χ"])
def test_writes_bytes_and_text_and_makes_folders(tmp_path, data):
    path = tmp_path / "new" / "file"
    write_atomically(path, data)
    assert path.read_bytes() == (data if isinstance(data, bytes) else data.encode())
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_an_interruption_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_names_the_file_that_cannot_be_written(tmp_path):
    (tmp_path / "no folder").write_bytes(b"")
    with pytest.raises(RangeError, match="no folder/file cannot be written"):
        write_atomically(tmp_path / "no folder" / "file", b"new")


def test_data_are_on_disk_before_the_name_is(tmp_path, monkeypatch):
    """A power cut behind the rename finds the new data, not an empty file."""
    path, seen = tmp_path / "a" / "b" / "file", []
    monkeypatch.setattr("os.fsync", lambda fd: seen.append((os.fstat(fd).st_size, path.exists())))
    write_atomically(path, b"12345")
    assert seen == [(5, False)]
    write_atomically(str(path), "again")  # a folder that is there, and a name as text
    assert path.read_text() == "again"
    assert seen == [(5, False), (5, True)]


def test_links_and_pipes_stay_what_they_are(tmp_path):
    """As root, a file that took the place of /dev/null would break the machine."""
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far" / "file")
    write_atomically(tmp_path / "link", "seen")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "far" / "file").read_text() == "seen"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(tmp_path / "pipe", b"through")
    assert os.read(reader, 100) == b"through" and (tmp_path / "pipe").is_fifo()
    os.close(reader)
    with pytest.raises(RangeError, match="cannot be written: Is a directory"):
        write_atomically(tmp_path / "far", b"")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["far", "link", "pipe"]
