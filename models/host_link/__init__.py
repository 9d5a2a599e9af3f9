"""The host link, bit for bit: frames, packets and the device's end of the protocol.

One file a block of `gateware.host_link`. `packet` says what is on the wire, `endpoint` what the
device makes of it.
"""
