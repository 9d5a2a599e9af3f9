"""The host link behind the AXI ports of a processor: a mailbox of bytes, and a reader of memory.

`slave.AxiSlave` answers the processor, `mailbox.Mailbox` is what it finds there, `reader.Reader`
fetches words of memory, `chunks.Chunks` makes bytes of them; `link.AxiLink` is all of it.
`models.host_link.mailbox` says what an access does.
"""
