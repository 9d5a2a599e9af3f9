"""The report of a run in the loop: what its template is given, and the file."""

from types import SimpleNamespace

import jinja2
import numpy as np
import pytest

from shotveil.host.leakage.catalogue import DATA_BOUNDS
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from shotveil.models.waveform.impairments import Impairments
from shotveil.sim.loop import report
from shotveil.sim.loop.pictures import PICTURES


@pytest.fixture
def run():
    link = Link(1.3, 5.25)
    records = SimpleNamespace(server=SimpleNamespace(vacuum_count=12_345, shot_error=0.00125))
    return SimpleNamespace(
        summary={"verification": {"accepted": True}},
        outcome=SimpleNamespace(
            seen=SimpleNamespace(records=records),
            loop=SimpleNamespace(settings=SimpleNamespace(link=link), links=[link]),
            inference=SimpleNamespace(predictions=np.array([1, 2, 3])),
        ),
        ideal=np.array([1, 2, 4]),
        impairments=Impairments(extinction=20.5, bias_error=(0.25, -0.5)),
    )


def test_what_the_template_is_given(run, tmp_path, monkeypatch):
    seen = {}

    class Template:
        def render(self, **given):
            seen.update(given)
            return "<p>ε"

    def get_template(environment, name):
        assert name == "loop.html" and environment.autoescape is True
        assert environment.filters["figures"](0.123456) == "0.123"
        assert environment.filters["thousands"](1234567) == "1,234,567"
        return Template()

    monkeypatch.setattr(jinja2.Environment, "get_template", get_template)
    monkeypatch.setattr(report, "embedded", lambda picture, given: (picture, given))
    path = tmp_path / "new/report.html"
    report.write_report(run, path, "rtl")
    assert path.read_bytes() == "<p>ε".encode()
    for picture in PICTURES:
        assert seen.pop(picture.__name__) == (picture, run)
    settings = seen.pop("settings")
    assert seen == {
        "r": run, "s": run.summary, "v": {"accepted": True}, "f2": Link(1.3, 5.25).f2,
        "nodes": "compiled gateware of both nodes", "agree": 2, "records": 12_345,
        "shot_error": 0.00125, "bounds": DATA_BOUNDS,
    }  # fmt: skip
    assert settings[:2] == [
        ("gain of the client's amplifier", "1.3"),
        ("photons per mode at the server's output", "5.25"),
    ]
    assert ("extinction", "20.5") in settings and ("bias error", "0.25, -0.5") in settings
    assert len(settings) == 2 + len(vars(run.impairments))
    report.write_report(run, path, "model")
    assert seen["nodes"] == "bit-true models of both nodes"


def test_a_path_that_can_be_no_file_is_refused_first(run, tmp_path):
    with pytest.raises(
        RangeError, match="cannot be written: it is a folder; allowed: a file in a folder of yours"
    ):
        report.write_report(None, tmp_path, "rtl")
