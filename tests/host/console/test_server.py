"""What a page asks for reaches the source, and bad input is answered in words."""

import json

import pytest

from shotveil.host.console.server import MOST_BYTES, serve
from shotveil.models.common.checks import RangeError
from tests.host.console.conftest import served
from tests.host.console.test_door import knock


class Refusing:
    """A source that takes nothing."""

    def changed(self):
        return {}

    def act(self, request):
        raise RangeError("act = 'fly'; allowed: walk")

    def close(self):
        pass


def test_bad_requests_are_refused_in_words():
    with served(Refusing()) as address:
        place, _, token = address.removeprefix("http://").partition("/?token=")
        headers = {
            "Cookie": f"shotveil_{place.partition(':')[2]}={token}",
            "Origin": f"http://{place}",
            "Content-Type": "application/json",
        }

        def ask(body, **changed):
            answer, text = knock(place, "POST", "/act", headers | changed, body)
            return answer.status, json.loads(text)["error"]

        assert ask(b'{"act": "fly"}') == (400, "act = 'fly'; allowed: walk")
        assert ask(b"[1]") == (400, "the request is no JSON object")
        assert ask(b"{") == (400, "the request is no JSON object")
        assert ask(b"\xff") == (400, "the request is no JSON object")
        assert ask(b"{}", **{"Content-Type": "text/plain"})[0] == 400
        assert ask(b" " * (MOST_BYTES + 1))[0] == 413
        assert knock(place, "GET", "/act", headers)[0].status == 405


def test_an_address_that_is_taken_and_a_record_that_exists_are_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(RangeError, match="run: exists"):
        serve(Refusing(), "127.0.0.1", 0, print, tmp_path / "run")
    with pytest.raises(RangeError, match="cannot be listened on"):
        serve(Refusing(), "192.0.2.1", 0, print)
    with served(Refusing()) as address:
        port = int(address.split(":")[2].partition("/")[0])
        with pytest.raises(RangeError, match="cannot be listened on"):
            serve(Refusing(), "127.0.0.1", port, print)
