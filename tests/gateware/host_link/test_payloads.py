"""Fields and widths of the host link's streams."""

from amaranth.hdl import Shape

from shotveil.gateware.host_link import payloads
from shotveil.models.host_link.packet import MAX_WORDS, Op, Status


def widths(layout):
    return {name: Shape.cast(field.shape).width for name, field in layout}


def test_fields_and_widths():
    assert widths(payloads.token()) == {"byte": 8, "end": 1}
    assert widths(payloads.judged()) == {"byte": 8, "end": 1, "fault": 2}
    assert widths(payloads.request()) == {"seq": 8, "op": 8, "target": 16, "count": 16, "words": 9}
    assert widths(payloads.response()) == {
        "seq": 8, "op": 7, "status": 3, "credit": 16, "count": 9,
    }  # fmt: skip
    assert MAX_WORDS < 1 << payloads.COUNT and max(Op) < 1 << 7 and max(Status) < 1 << 3


def test_faults_and_counters():
    faults = {fault.name: fault.value for fault in payloads.Fault}
    assert faults == {"NONE": 0, "FRAME": 1, "CRC": 2}
    assert payloads.COUNTERS == {
        "link_bad_crc": 16, "link_bad_frame": 16, "link_repeated": 16, "link_gap": 16,
        "link_accepted": 32,
    }  # fmt: skip
