"""Books are read again when they change, and trouble is said on the page."""

import pytest

from shotveil.host.console.books import Books
from shotveil.models.common.checks import RangeError
from tests.host.console.conftest import until


class Counting(Books):
    """Books that are damaged for a while."""

    damaged = False

    def __init__(self):
        self.reads = 0
        super().__init__({"kind": "server", "title": "counting"})

    def _read(self):
        self.reads += 1
        if self.damaged:
            raise RangeError("the file is torn")
        return {"reads": self.reads}


def test_they_are_read_again_and_trouble_is_said():
    books = Counting()
    try:
        topics = until({}, books, lambda t: t.get("reads", 0) > 1)
        assert topics["page"]["title"] == "counting" and topics["trouble"] == ""
        books.damaged = True
        until(topics, books, lambda t: t["trouble"])
        assert topics["trouble"] == "the file is torn"
        books.damaged = False
        until(topics, books, lambda t: not t["trouble"])
    finally:
        books.close()


def test_books_that_cannot_be_read_at_first_are_refused():
    class Torn(Counting):
        damaged = True

    with pytest.raises(RangeError, match="torn"):
        Torn()


def test_nothing_can_be_ordered():
    books = Counting()
    with pytest.raises(RangeError, match="only shows"):
        books.act({"act": "budget"})
    books.close()
