"""The modulator drive, bit for bit: one integer function per gateware block, and their chain.

Symbols and samples are int64 arrays of raw fixed-point numbers whose last two axes are
(quadrature, time): I and Q, then the symbols or samples in order.
"""
