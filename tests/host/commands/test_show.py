import re

from shotveil.host.commands.show import progress_bar, progress_bars, rate


def test_lines_with_the_time_left_where_there_is_no_terminal(monkeypatch, capsys):
    monkeypatch.setattr("shotveil.host.commands.show.SECONDS_BETWEEN_LINES", 0.0)
    with progress_bar("points") as progress:
        progress(0, 4000)  # nothing done tells nothing of the time left
        progress(1000, 4000)
        progress(3000, 4000)
    out, err = capsys.readouterr()
    first, last = err.splitlines()
    assert re.fullmatch(r"points: 1,000 of 4,000, \d+ s left", first)
    assert last == "points: 4,000 of 4,000, 0 s left"
    assert out == ""


def test_each_stage_has_lines_of_its_own(monkeypatch, capsys):
    monkeypatch.setattr("shotveil.host.commands.show.SECONDS_BETWEEN_LINES", 0.0)
    with progress_bars() as progress:
        progress("reserves", 5, 10)
        progress("events checked", 1, 40)
        progress("reserves", 5, 10)
    lines = [line.partition(",")[0] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["reserves: 5 of 10", "events checked: 1 of 40", "reserves: 10 of 10"]


def test_a_rate_is_never_rounded_to_nothing():
    assert [rate(number) for number in (0.2712, 9.4, 14.6, 12345.6)] == [
        "0.27", "9.4", "15", "12,346",
    ]  # fmt: skip
