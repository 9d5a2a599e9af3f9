"""The device's end of the host link in Amaranth: bytes in, registers and streams inside, bytes out.

The chain is `cobs.Decoder`, `crc.CrcCheck`, `packet.Store`, `endpoint.Endpoint`,
`packet.Serialiser`, `crc.CrcAppend`, `cobs.Encoder`; `link.HostLink` is all of it.
`models.host_link` says what a packet is and what becomes of it, and agrees to the bit.
"""
