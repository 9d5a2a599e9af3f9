"""`shotveil plan`: the gain and photon number to use with given budgets and a given channel."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from shotveil.host.commands.options import (
    FILE,
    channel_of,
    channel_options,
    data_bound_option,
    data_option,
    images_option,
    json_option,
    network_option,
    seed_option,
    weight_bound_option,
)
from shotveil.host.commands.output import print_json
from shotveil.models.common.checks import RangeError, require

INFEASIBLE = 1
ATTEMPTS = 5  # most runs to confirm a least accuracy, each with slightly more light than the last


@click.command()
@network_option()
@click.option(
    "--max-weight-bits",
    type=float,
    show_default="no limit",
    help="Most that may leak of a weight, in bits, as a mean over the network (above 0).",
)
@click.option(
    "--max-data-bits",
    type=float,
    show_default="no limit",
    help="Most that may leak of an element of the input, in bits (above 0).",
)
@data_bound_option("that --max-data-bits limits")
@weight_bound_option("that --max-weight-bits limits")
@click.option(
    "--inferences",
    type=int,
    default=1,
    help="Number of inferences that share the budget of the weights (1 or more).",
)
@click.option(
    "--min-accuracy",
    type=float,
    help="Accuracy to keep, as a fraction; the least leakage that keeps it is then found "
    "(from 0 to 1).",
)
@channel_options
@images_option
@data_option
@click.option(
    "--plot",
    type=FILE,
    default=Path("reports/plan.png"),
    help="Picture of the feasible region to write, with a name in .png or .svg.",
)
@click.option(
    "--confirm",
    is_flag=True,
    help="Run the test images at the point that is found, to confirm its accuracy.",
)
@seed_option
@json_option
def plan(
    network: str,
    max_weight_bits: float | None,
    max_data_bits: float | None,
    data_bound: str,
    inferences: int,
    weight_bound: str,
    min_accuracy: float | None,
    images: int | None,
    data: Path | None,
    plot: Path,
    confirm: bool,
    seed: int,
    json: bool,
    **channel_settings: Any,
) -> int:
    """Find the gain and the number of photons to work with.

    Without --min-accuracy the result is the point of highest accuracy within the budgets, otherwise
    the point of least leakage with that accuracy. The accuracy comes from a curve, which ships
    with a shipped network and is measured once for any other; with --confirm, a run at the point
    confirms it. The exit code is 1 if no point is feasible.
    """
    from shotveil.host.commands.show import progress_bar, show
    from shotveil.host.design.operating_point import Budgets, budgeted_bits, data_bits
    from shotveil.host.design.plan import Infeasible, find
    from shotveil.host.figures.plan import picture
    from shotveil.host.figures.style import rendered, style
    from shotveil.host.run.curves import calibrated_curve
    from shotveil.host.run.extraction_curve import clone_line
    from shotveil.host.run.run import run
    from shotveil.host.run.summary import settings_of
    from shotveil.models.common.files import write_atomically
    from shotveil.models.networks.mnist import load_mnist
    from shotveil.models.networks.network import load_network

    if plot.suffix not in (".png", ".svg"):
        raise RangeError(f"plot = {plot} ends in {plot.suffix!r}; allowed: .png or .svg")
    budgets = Budgets(max_weight_bits, max_data_bits, data_bound, inferences, weight_bound)
    channel = channel_of(**channel_settings)
    chosen = load_network(network)
    pixels, labels = load_mnist(data, "test")
    if images is not None:
        require("images", images, at_least=1, at_most=len(pixels))
        pixels, labels = pixels[:images], labels[:images]
    with progress_bar("images of the calibration") as progress:
        curve = calibrated_curve(
            chosen, pixels, labels, progress=lambda done: progress(done, len(pixels))
        )

    point = find(chosen, curve, channel, budgets, min_accuracy)
    confirmed: dict[str, Any] = {}
    for attempt in range(1, ATTEMPTS + 1):
        if not confirm or isinstance(point, Infeasible):
            break
        with progress_bar("images through the link") as progress:
            confirmed = run(
                chosen, point.link, images=images, data=data, seed=seed, progress=progress
            ).summary
        short = 0.0 if min_accuracy is None else min_accuracy - confirmed["accuracy"]
        if short <= 0 or attempt == ATTEMPTS:
            break
        # With the same seed, the next run differs only in its light, so it falls short by less.
        aim = point.accuracy + short
        point = find(chosen, curve, channel, budgets, min_accuracy, aim)

    with style():
        figure = picture(chosen, curve, channel, budgets, min_accuracy, point)
        write_atomically(plot, rendered(figure, plot.suffix[1:]))
    asked = {"budgets": asdict(budgets), "min_accuracy": min_accuracy, "plot": str(plot)}
    if isinstance(point, Infeasible):
        if json:
            print_json({"feasible": False, **asdict(point), **asked})
        else:
            click.echo(f"infeasible: {point.reason}\n\nfeasible region: {plot}")
        return INFEASIBLE

    link = point.link
    leaks = {
        "weight_bits": float(budgeted_bits(chosen, link, budgets, link.gain, link.photons)),
        "data_bits": float(data_bits(chosen, link.gain, data_bound)),
    }
    agrees = _agrees(point.accuracy, min_accuracy, confirmed) if confirmed else None
    clone = clone_line(chosen.digest, inferences, link.f2)
    if json:
        settings = {"network": chosen.name, "digest": chosen.digest, "f2": link.f2}
        found = {
            "feasible": True,
            "expected_accuracy": point.accuracy,
            "confirmed": agrees,
            "against_budgets": leaks,
            "extraction": clone,
        }
        print_json({**settings, **settings_of(link), **found, **asked, **confirmed})
        return 0
    if confirmed:
        show(confirmed)
        said = (
            f", {confirmed['accuracy']:.2%} in the run above: {'' if agrees else 'not '}confirmed"
        )
    else:
        said = "; --confirm runs the images at this point"
        click.echo(
            f"{chosen.name}: G = {link.gain:.7g}, μ = {link.photons:.4g} photons per mode, "
            f"F² = {link.f2:.4g}"
        )
    after = f" after {inferences:,} inferences" if inferences > 1 else ""
    click.echo(
        f"\nexpected accuracy   {point.accuracy:.2%} from the calibrated curve{said}\n"
        f"against the budgets {leaks['weight_bits']:.4g} bits per weight{after}"
        f"{_of(max_weight_bits)}, {leaks['data_bits']:.4g} bits per data element "
        f"({data_bound}){_of(max_data_bits)}\n"
        + (f"extraction          {clone}\n" if clone else "")
        + f"feasible region     {plot}"
    )
    return 0


def _agrees(expected: float, least: float | None, confirmed: dict[str, Any]) -> bool:
    """Return whether a run reached what was asked for and, within 3 counting errors, the curve."""
    accuracy, error = confirmed["accuracy"], confirmed["accuracy_error"]
    return (least is None or accuracy >= least) and abs(accuracy - expected) <= 3 * error


def _of(budget: float | None) -> str:
    return "" if budget is None else f" of {budget:g}"
