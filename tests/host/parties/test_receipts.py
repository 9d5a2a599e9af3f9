"""Statements of a link: signed, about one part, and by a link alone."""

import pytest

from shotveil.host.ledger.accounts import Emission, Reserve
from shotveil.host.parties.keys import LINK, SERVER, make_keys, read_keys
from shotveil.host.parties.receipts import (
    Signer,
    evidence,
    from_evidence,
    is_about,
    require_signed,
    said,
)
from shotveil.host.protocol import messages_pb2 as pb
from shotveil.host.protocol.wire import ProtocolError
from shotveil.models.common.checks import RangeError

BODY = '{"epoch":"e","session":"s","batch":3,"layer":1,"part":2,"emitted":false}'


@pytest.fixture
def keys(tmp_path):
    make_keys(tmp_path / "one", [])
    make_keys(tmp_path / "other", [])
    return tmp_path


def test_only_a_link_of_the_authority_can_sign(keys):
    authority, *own = read_keys(keys / "one", LINK)
    signed = Signer(*own)(pb.Statement(body=BODY))
    require_signed(signed, authority)
    require_signed(from_evidence(evidence(signed)), authority)
    changed = pb.Statement(
        body=BODY.replace("3", "4"), signature=signed.signature, certificate=signed.certificate
    )
    by_server = Signer(*read_keys(keys / "one", SERVER)[1:])(pb.Statement(body=BODY))
    elsewhere = Signer(*read_keys(keys / "other", LINK)[1:])(pb.Statement(body=BODY))
    for bad in (changed, by_server, elsewhere, pb.Statement(body=BODY)):
        with pytest.raises(ProtocolError, match="no link signed"):
            require_signed(bad, authority)


def test_a_statement_is_about_one_part_and_says_that_it_never_left():
    reserve = Reserve(9, "s", 1, 0, 4, 2, Emission("e", 3, 2))
    assert is_about(pb.Statement(body=BODY), reserve)
    for old, new in (
        ("false", "true"),
        ("false", "null"),
        ('"e"', '"f"'),
        ('"part":2', '"part":1'),
    ):
        assert not is_about(pb.Statement(body=BODY.replace(old, new)), reserve)
    for bad in ("", "[]", "{}", "x"):
        with pytest.raises(ProtocolError, match="not readable"):
            said(pb.Statement(body=bad))
    for kept in (None, {}, {"statement": "x", "signature": "zz", "certificate": ""}):
        with pytest.raises(RangeError, match="no statement of a link"):
            from_evidence(kept)
