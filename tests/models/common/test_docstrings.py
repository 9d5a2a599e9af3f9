"""A docstring is found whether Python has kept it or not."""

from shotveil.models.common.docstrings import docstring


def decorated(function):
    return function


@decorated
def documented():
    """Return nothing.

    The second paragraph.
    """


def plain():
    pass


def test_a_dropped_docstring_is_read_from_the_source(monkeypatch):
    expected = "Return nothing.\n\nThe second paragraph."
    assert docstring(documented) == expected
    monkeypatch.setattr(documented, "__doc__", None)
    assert docstring(documented) == expected
    assert docstring(plain) is None and docstring(len) is not None
    assert docstring(eval("lambda: 1")) is None
