"""Laser phase noise over the difference in path time between local oscillator and light."""

from __future__ import annotations

from shotveil.models.waveform.impairment import Impairment, Setting, Sweep

LONGEST = 1 << 20  # symbols: 34 ms
ONE_KHZ = 3.2e-5  # linewidth × symbol time at 31.25 Mbaud

LASER = Impairment(
    "laser linewidth",
    (
        Setting(
            "linewidth",
            "of the laser (FWHM), times the symbol time",
            0.0,
            ONE_KHZ,
            "fibre lasers: 1 kHz",
            at_least=0,
            symbols=1,
        ),
        Setting(
            "unmatched_out",
            "symbols by which the oscillator's path to the client is shorter than "
            "the light's; the laser's phase wanders for that time",
            0.0,
            0.25,
            "paths matched to 1.6 m",
            at_least=0,
            at_most=LONGEST,
            symbols=-1,
        ),
        Setting(
            "unmatched_back",
            "the same for the oscillator's path to the server",
            0.0,
            0.25,
            "paths matched to 1.6 m",
            at_least=0,
            at_most=LONGEST,
            symbols=-1,
        ),
    ),
    sweeps=(
        Sweep(
            "linewidth",
            "linewidth × symbol time, paths within ¼ symbol",
            (1e-6, 1e-5, 1e-4, 1e-3, 1e-2),
            lambda v: {"linewidth": v, "unmatched_out": 0.25, "unmatched_back": 0.25},
            log=True,
        ),
        Sweep(
            "loop-delay",
            "oscillator's path too short by (symbols), 1 kHz",
            (0.25, 1, 4, 16, 64, 256, 1024),
            lambda v: {"linewidth": ONE_KHZ, "unmatched_out": v, "unmatched_back": v},
            log=True,
        ),
    ),
)
