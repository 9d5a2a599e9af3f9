"""The modulator drive in Amaranth: one component a file, and their chain.

Every component takes a `DriveSpec`, agrees to the bit with the function `model` of the same name in
`models.drive`, and has a property `latency`. Settings are ports that may change only while the
drive is disarmed.
"""
