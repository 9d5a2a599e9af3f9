"""Text of others on a terminal."""

import pytest

from shotveil.models.common.text import one_line


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain", "plain"),
        ("two\n lines\r\n", "two lines"),
        ("\x1b]0;owned\x07\x1b[31mred", "\\x1b]0;owned\\x07\\x1b[31mred"),
        ("turned \u202e round", "turned \\u202e round"),
        ("[bold]markup[/bold] é", "[bold]markup[/bold] é"),
    ],
)
def test_nothing_commands_a_terminal(text, shown):
    assert one_line(text) == shown and one_line(text).isprintable()
