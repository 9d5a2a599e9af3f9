"""Loss of the tapped mode on its way back into the row, against all other light of the row."""

from __future__ import annotations

from shotveil.models.waveform.impairment import Impairment, Setting, Sweep

LOSS_IMBALANCE = Impairment(
    "loss imbalance",
    (
        Setting(
            "loss_imbalance",
            "share of its amplitude that the client's amplified light loses against the rest",
            0.0,
            at_least=0,
            below=1,
        ),
    ),
    sweeps=(
        Sweep(
            "loss-imbalance",
            "amplitude that the tapped mode loses",
            (1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
            lambda v: {"loss_imbalance": v},
            log=True,
        ),
    ),
)
