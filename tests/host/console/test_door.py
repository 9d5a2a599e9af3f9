"""Who is let in, over real connections."""

import asyncio
import http.client
import json

import pytest
import websockets

from shotveil.host.console.door import POLICY, new_token
from tests.host.console.conftest import served


class Quiet:
    """A source of which one can see what it was asked."""

    def __init__(self):
        self.asked = []

    def changed(self):
        return {"page": {"kind": "none", "title": "a secret title"}}

    def act(self, request):
        self.asked.append(request)
        return "done"

    def close(self):
        pass


@pytest.fixture(scope="module")
def house():
    source = Quiet()
    with served(source) as address:
        place, _, token = address.removeprefix("http://").partition("/?token=")
        port = place.partition(":")[2]
        yield source, place, {"Cookie": f"shotveil_{port}={token}"}, token


def knock(place, method="GET", path="/", headers=None, body=None):
    connection = http.client.HTTPConnection(place, timeout=10)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer, text


def watch(place, origin, headers):
    async def run():
        where = f"ws://{place}/live"
        try:
            async with websockets.connect(where, origin=origin, additional_headers=headers) as line:
                return json.loads(await asyncio.wait_for(line.recv(), 10))
        except websockets.InvalidStatus as refused:
            return refused.response.status_code

    return asyncio.run(run())


def test_the_token_becomes_a_cookie_that_neither_scripts_nor_other_sites_get(house):
    _, place, cookie, token = house
    answer, text = knock(place, path=f"/?token={token}")
    assert (answer.status, answer.getheader("location"), text) == (303, "/", b"")
    given = answer.getheader("set-cookie")
    assert given.startswith(cookie["Cookie"] + ";")
    assert "HttpOnly" in given and "SameSite=Strict" in given
    assert knock(place, headers=cookie)[0].status == 200


@pytest.mark.parametrize("path", ["/", "/static/bench.js", "/?token=wrong", "/?token=", "/live"])
def test_without_the_token_nothing_is_told(house, path):
    _, place, cookie, _ = house
    for headers in ({}, {"Cookie": cookie["Cookie"][:-1]}, {"Cookie": "shotveil_1=x; ;;="}):
        answer, text = knock(place, path=path, headers=headers)
        assert answer.status == 403 and b"address with its token" in text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1"])
def test_another_name_that_is_bound_to_this_address_is_refused(house, host):
    _, place, cookie, _ = house
    assert knock(place, headers={**cookie, "Host": host})[0].status == 400


def test_other_sites_pages_can_neither_watch_nor_act(house):
    source, place, cookie, _ = house
    own = f"http://{place}"
    assert watch(place, own, cookie)["page"]["title"] == "a secret title"
    assert watch(place, own, {}) == 403
    for origin in ("http://evil.example", "null", f"https://{place}", own + ".evil.example", None):
        assert watch(place, origin, cookie) == 403
        headers = {**cookie, "Content-Type": "application/json"}
        if origin is not None:
            headers["Origin"] = origin
        assert knock(place, "POST", "/act", headers, b'{"act": "stop"}')[0].status == 403
    assert source.asked == []
    good = {**cookie, "Content-Type": "application/json", "Origin": own}
    answer, text = knock(place, "POST", "/act", good, b'{"act": "stop"}')
    assert (answer.status, json.loads(text)) == (200, {"said": "done"})
    assert source.asked == [{"act": "stop"}]


@pytest.mark.parametrize("path", ["/", "/static/console.js", "/nowhere"])
def test_every_answer_says_what_a_page_may_load(house, path):
    _, place, cookie, _ = house
    answer, _ = knock(place, path=path, headers=cookie)
    assert answer.getheader("content-security-policy") == POLICY
    assert answer.getheader("x-content-type-options") == "nosniff"
    assert answer.getheader("cache-control") == "no-store"
    assert "unsafe" not in POLICY and "http" not in POLICY


def test_no_file_outside_the_folder_of_the_page_is_given(house):
    _, place, cookie, _ = house
    for path in ("/static/../server.py", "/static/%2e%2e/server.py", "/static//etc/passwd"):
        assert knock(place, path=path, headers=cookie)[0].status == 404


def test_tokens_are_long_and_never_the_same():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100 and min(map(len, tokens)) >= 32
