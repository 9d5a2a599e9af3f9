import re

from shotveil.host.commands.show import progress_bar


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
