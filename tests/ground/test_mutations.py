"""Mutated files at every reader: 2,000 here, 10⁵ by `make test-ground`."""

import os

import numpy as np
import pytest

from tests.ground.mutations import check, readers

COUNT = int(os.environ.get("SHOTVEIL_MUTATIONS", "2000"))
NAMES = (
    *("network", "idx", "idx.gz", "record", "calibration", "server's calibration"),
    *("client's calibration", "sweep", "config", "certificate", "key"),
    *("samples", "array", "csv", "csv.gz", "parquet", "picture", "front end", "onnx"),
)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    return readers(tmp_path_factory.mktemp("good"))


def test_all_readers_are_here(known):
    assert set(known) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_read_or_refused_in_one_line(known, tmp_path, name, capfd):
    reader = known[name]
    rng = np.random.default_rng(NAMES.index(name))
    wrong = {}
    for number in range(-(-COUNT // len(NAMES))):
        if said := check(reader, tmp_path / "file", reader.mutate(reader.good, rng)):
            wrong.setdefault(said, number)
    assert wrong == {}
    assert capfd.readouterr().out == ""  # where a result would be printed


@pytest.mark.parametrize("name", NAMES)
def test_the_good_file_is_read(known, tmp_path, name):
    if name == "client's calibration":
        pytest.skip("the good file is a server's, and only the errors are of interest")
    (tmp_path / "file").write_bytes(known[name].good)
    known[name].read(tmp_path / "file")
