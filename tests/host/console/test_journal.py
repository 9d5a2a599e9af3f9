"""The journal of a client's questions."""

import stat

import numpy as np
import pytest

from shotveil.host.console.journal import LAST, Journal, last_entries
from shotveil.models.common.checks import RangeError


def test_the_last_entry_of_each_kind_is_read_back(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.progress(10, 40)
    assert set(last_entries(path)) == {"progress"}
    journal.progress(20, 40)
    images = np.linspace(0, 1, 20 * 16).reshape(20, 16)
    outputs = np.arange(60.0).reshape(20, 3)
    journal.answers(images, outputs, outputs.argmax(axis=1), "small")
    journal.checks({"count": 3, "variance": 1.0})
    journal.close()
    found = last_entries(path)
    assert (found["progress"]["done"], found["progress"]["of"]) == (30, 40)
    assert found["progress"]["images_per_second"] > 0
    answers = found["answers"]
    assert len(answers["pictures"]) == LAST and answers["side"] == 4
    assert answers["pictures"][-1][-1] == 255 and answers["pictures"][0][0] == 0
    assert answers["outputs"] == outputs[-LAST:].tolist() and answers["predictions"] == [2] * LAST
    assert found["checks"]["variance"] == 1.0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_that_is_being_written_is_left_for_later(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.progress(1, 2)
    journal.close()
    with path.open("a") as file:
        file.write('{"kind": "prog')
    assert last_entries(path)["progress"]["done"] == 1


def test_inputs_that_are_no_pictures_are_shown_without(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal.answers(np.zeros((2, 15)), np.zeros((2, 3)), np.zeros(2), "small")
    journal.close()
    assert last_entries(tmp_path / "journal")["answers"]["pictures"] == [[], []]


@pytest.mark.parametrize("text", ["{}\n", "3\n", '{"kind": "secret"}\n', "x\n"])
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "other").write_text(text)
    with pytest.raises(RangeError, match="other"):
        last_entries(tmp_path / "other")
