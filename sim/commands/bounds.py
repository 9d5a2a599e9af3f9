"""`shotveil lab bounds`: general optimisers against the bound on the weights."""

from __future__ import annotations

from typing import Any

import click

from shotveil.host.commands.options import json_option, seed_option
from shotveil.host.commands.output import print_json
from shotveil.models.common.checks import require

INFERENCES = (1, 10, 100, 10_000)
TRANSMITTANCES = (1.0, 0.999, 0.99, 0.9)
LIGHT = ((1.000873, 0.6833), (1.3, 2.4))
"""Gain and F² at which the bounds are attacked, with 392 modes."""

MODES = 392
RANDOM_MODES = 16  # of a random spectrum; each stands for as many modes as the row has over it
STEPS = 150


@click.command()
@click.option(
    "--spectra", type=int, default=200, help="Number of random spectra (from 0 to 10,000)."
)
@click.option("--starts", type=int, default=2, help="Number of random starts (from 1 to 100).")
@seed_option
@json_option
def bounds(spectra: int, starts: int, seed: int, json: bool) -> None:
    """Let general optimisers spend a client's noise and loss, and hold the bound against them.

    For K inferences and transmittances T, the optimisers search noise and loss for the spectrum of
    every layer of the shipped networks and for random spectra, and the best spectrum of all. The
    table shows the most that they reach over `holevo`, which has to be below 1, and `holevo` over
    the best of all, which has to be below 1.02.
    """
    import numpy as np

    from shotveil.host.commands.show import progress_bar
    from shotveil.host.leakage.majorant import majorant_per_mode
    from shotveil.host.leakage.optimisers import best_for_spectra, best_mixture, random_spectra
    from shotveil.host.leakage.spectrum import spectrum_of
    from shotveil.models.link.amplifier import inference_noise, noise_quantum
    from shotveil.models.networks.network import load_network, shipped_networks

    require("spectra", spectra, at_least=0, at_most=10_000)
    require("starts", starts, at_least=1, at_most=100)
    names, shipped = [], []
    for name in shipped_networks():
        for number, layer in enumerate(load_network(name).layers, 1):
            names.append(f"{name}, layer {number}")
            shipped.append(spectrum_of(layer.weights))
    kinds = max(len(each.energy) for each in shipped)
    own = np.zeros((2, len(shipped), kinds))
    for i, each in enumerate(shipped):
        own[:, i, : len(each.energy)] = each
    drawn = np.array(list(random_spectra(spectra, RANDOM_MODES, seed))).reshape(-1, RANDOM_MODES)
    families = {"shipped": own, "random": np.stack([drawn, np.full(drawn.shape, 1 / RANDOM_MODES)])}

    rows: list[dict[str, Any]] = []
    with progress_bar("optimisations") as progress:
        cases = [(light, t, k) for light in LIGHT for t in TRANSMITTANCES for k in INFERENCES]
        for (gain, f2), transmittance, inferences in cases:
            modulation = inferences * f2 * inference_noise(gain)
            noise = noise_quantum(gain) / MODES
            lost = 1 - np.sqrt(transmittance)
            bound = float(majorant_per_mode(modulation, transmittance, noise))
            reached = {}
            for family, (energy, share) in families.items():
                a, e, s = np.full((3, len(energy)), [[modulation], [noise], [lost]])
                bits = best_for_spectra(energy, share, a, e, s, starts, STEPS, seed)
                reached[family] = bits / bound
            best = best_mixture(modulation, noise, lost)
            rows.append(
                {
                    "gain": gain,
                    "f2": f2,
                    "transmittance": transmittance,
                    "inferences": inferences,
                    "bits_per_weight": bound / 2,
                    "shipped_over_holevo": float(reached["shipped"].max()),
                    "shipped": names[int(reached["shipped"].argmax())],
                    "random_over_holevo": float(reached["random"].max(initial=0)),
                    "best_over_holevo": best / bound,
                    "holevo_over_best": bound / best,
                }
            )
            progress(1, len(cases))
    worst = {
        "reached_over_holevo": max(
            row[name]
            for row in rows
            for name in ("shipped_over_holevo", "random_over_holevo", "best_over_holevo")
        ),
        "holevo_over_best": max(row["holevo_over_best"] for row in rows),
    }
    if json:
        print_json({"spectra": spectra, "starts": starts, "seed": seed, "cases": rows, **worst})
        return
    click.echo(
        "gain      F²      T      K       holevo, bits  shipped  random  any spectrum  holevo/best"
    )
    for row in rows:
        click.echo(
            f"{row['gain']:<9.7g} {row['f2']:<7g} {row['transmittance']:<6g} "
            f"{row['inferences']:<7} {row['bits_per_weight']:<13.5g} "
            f"{row['shipped_over_holevo']:<8.4f} {row['random_over_holevo']:<7.4f} "
            f"{row['best_over_holevo']:<13.4f} {row['holevo_over_best']:.4f}"
        )
    click.echo(
        f"\nmost that was reached {worst['reached_over_holevo']:.4f} × holevo; "
        f"holevo at most {worst['holevo_over_best']:.4f} × the best that was found"
    )
