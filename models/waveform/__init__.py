"""The optical link sample by sample, from the server's DAC codes to both parties' ADC words.

One idea a file; imperfections are in `impairments`, one cause a file. `models.link.optics` is the
same link symbol by symbol: with all impairments off the two agree. Amplitudes are complex,
X + iP, in √SNU. A mode is a pulse of unit energy, so white noise of variance 1 in either quadrature
of every sample is the vacuum: behind the matched filter a symbol of it has variance 1.
"""
