"""`shotveil plan`: the gain and photon number to use with given budgets and a given channel."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shotveil.host.commands.options import (
    FILE,
    channel_of,
    channel_options,
    data_bound_option,
    data_option,
    images_option,
    json_option,
    label_option,
    max_image_bits_option,
    max_total_bits_option,
    network_option,
    seed_option,
    weight_bound_option,
)
from shotveil.host.commands.output import print_json
from shotveil.models.common.checks import RangeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

INFEASIBLE = 1
POINTS_PER_RATIO = 128  # points of a curve with uneven light; its regression averages neighbours
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
@max_total_bits_option(
    "Most that may leak of all weights together after the --inferences, in bits (above 0)."
)
@max_image_bits_option("Most that may leak of an image in one inference, in bits (above 0).")
@data_bound_option("that --max-data-bits and --max-image-bits limit")
@weight_bound_option("that --max-weight-bits and --max-total-bits limit")
@click.option(
    "--each-layer",
    is_flag=True,
    help="Let --max-weight-bits limit every layer by itself, instead of the mean over the network.",
)
@click.option(
    "--light-per-layer",
    is_flag=True,
    help="Choose a gain and a photon number for each layer, instead of one of each for all.",
)
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
@click.option(
    "--certify-hours",
    type=float,
    show_default="no certificate is asked for",
    help="Hours of line time within which the certified leakage of the weights has to come down to "
    "twice the declared one (above 0).",
)
@click.option(
    "--decoy-share",
    type=float,
    show_default="1/17",
    help="Share of all rows that are decoys, for --certify-hours (above 0, at most 1).",
)
@click.option(
    "--symbol-rate",
    type=float,
    show_default="31.25e6",
    help="Symbols that are sent in a second, for --certify-hours (above 0).",
)
@channel_options
@images_option
@data_option
@label_option
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
    max_total_bits: float | None,
    max_image_bits: float | None,
    data_bound: str,
    inferences: int,
    weight_bound: str,
    each_layer: bool,
    light_per_layer: bool,
    min_accuracy: float | None,
    certify_hours: float | None,
    decoy_share: float | None,
    symbol_rate: float | None,
    images: int | None,
    data: Path | None,
    label: str | None,
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

    With --light-per-layer the gains and the ratios of light between the layers are searched as
    well, on a curve for every ratio that is tried.
    """
    from shotveil.host.commands.show import progress_bar, show
    from shotveil.host.design.binding import binding, certified_ratio
    from shotveil.host.design.certify import DECOY_SHARE, SYMBOL_RATE, LineTime
    from shotveil.host.design.layer_light import best_light
    from shotveil.host.design.operating_point import (
        Budgets,
        budgeted_bits,
        counted_weights,
        data_bits,
        image_bits,
    )
    from shotveil.host.design.plan import Infeasible, OperatingPoint, find
    from shotveil.host.figures.plan import picture
    from shotveil.host.figures.style import rendered, style
    from shotveil.host.run.curves import (
        AccuracyCurve,
        calibrated_curve,
        require_own_images,
        shipped_accuracy,
    )
    from shotveil.host.run.extraction_curve import clone_of
    from shotveil.host.run.run import classified, run
    from shotveil.host.run.samples import load_samples
    from shotveil.host.run.shipped_curves import (
        LEAST_POINTS,
        images_within,
        points_within,
    )
    from shotveil.host.run.summary import settings_of
    from shotveil.models.common.files import write_atomically
    from shotveil.models.link.light import one_or_each
    from shotveil.models.networks.network import load_network

    if plot.suffix not in (".png", ".svg"):
        raise RangeError(f"plot = {plot} ends in {plot.suffix!r}; allowed: .png or .svg")
    budgets = Budgets(
        max_weight_bits,
        max_data_bits,
        data_bound,
        inferences,
        weight_bound,
        each_layer,
        max_total_bits,
        max_image_bits,
    )
    channel = channel_of(**channel_settings)
    if certify_hours is None and (decoy_share, symbol_rate) != (None, None):
        raise RangeError(
            "--decoy-share or --symbol-rate is given without --certify-hours; allowed: with it"
        )
    if certify_hours is not None and light_per_layer:
        raise RangeError(
            "--certify-hours is given with --light-per-layer; allowed: one of them, as a "
            "certificate is planned for one light"
        )
    time = None
    if certify_hours is not None:
        share = DECOY_SHARE if decoy_share is None else decoy_share
        time = LineTime(certify_hours, share, SYMBOL_RATE if symbol_rate is None else symbol_rate)
    chosen = load_network(network)
    known = shipped_accuracy(chosen) if data is None and images is None else None

    @cache
    def samples() -> tuple[NDArray[Any], NDArray[Any]]:
        given = load_samples(data, "test", label)
        if data is None:
            require_own_images(chosen, *classified(chosen, given))
        return classified(chosen, given.first(images))

    if known is None or confirm:
        samples()  # so that what is wrong with them is said at once

    @cache
    def measure(ratios: tuple[float, ...] = ()) -> AccuracyCurve:
        if known is not None and all(ratio == 1 for ratio in ratios):
            return known
        pixels, labels = samples()
        most = images_within(chosen, LEAST_POINTS)
        pixels, labels = pixels[:most], labels[:most]
        whose = f", F² as {':'.join(f'{ratio:.3g}' for ratio in ratios)}" if ratios else ""
        # The curve with one F² for all layers is kept for other plans too, so it has more points.
        uneven = any(ratio != 1 for ratio in ratios)
        how: dict[str, Any] = {}
        if uneven:
            points = min(POINTS_PER_RATIO, points_within(chosen, len(pixels)))
            how = {"ratios": ratios, "points": points}
        with progress_bar(f"images of the calibration{whose}") as progress:
            return calibrated_curve(
                chosen,
                pixels,
                labels,
                progress=lambda done: progress(done, len(pixels)),
                **how,
            )

    def best(aim: float | None = None) -> OperatingPoint | Infeasible:
        if light_per_layer:
            return best_light(chosen, measure, channel, budgets, min_accuracy, aim)
        return find(chosen, measure(), channel, budgets, min_accuracy, aim, time)

    point = best()
    confirmed: dict[str, Any] = {}
    for attempt in range(1, ATTEMPTS + 1):
        if not confirm or isinstance(point, Infeasible):
            break
        with progress_bar("images through the link") as progress:
            confirmed = run(
                chosen,
                point.link,
                images=images,
                data=data,
                label=label,
                seed=seed,
                progress=progress,
            ).summary
        short = 0.0 if min_accuracy is None else min_accuracy - confirmed["accuracy"]
        if short <= 0 or attempt == ATTEMPTS:
            break
        # With the same seed, the next run differs only in its light, so it falls short by less.
        point = best(point.accuracy + short)

    with style():
        curve = measure()
        if light_per_layer and isinstance(point, OperatingPoint):
            curve = measure(point.ratios)
        figure = picture(chosen, curve, channel, budgets, min_accuracy, point)
        write_atomically(plot, rendered(figure, plot.suffix[1:]))
    asked = {"budgets": asdict(budgets), "min_accuracy": min_accuracy, "plot": str(plot)}
    if isinstance(point, Infeasible):
        if json:
            print_json({"feasible": False, **asdict(point), **asked})
        else:
            click.echo(f"infeasible: {point.reason}\n\nfeasible region: {plot}")
        return INFEASIBLE

    links = point.links(chosen)
    gains, light = [link.gain for link in links], [link.photons for link in links]
    even = all(link == links[0] for link in links)
    binds = binding(chosen, links, budgets, time)
    ratio = None if time is None else certified_ratio(chosen, links[0], time)
    leaks = {
        "weight_bits": float(budgeted_bits(chosen, links[0], budgets, gains, light)),
        "data_bits": float(data_bits(chosen, gains[0], data_bound, channel, light[0])),
        "image_bits": float(image_bits(chosen, gains, data_bound, 0.0, channel, light)),
    }
    mean = replace(budgets, each_layer=False)
    leaks["total_bits"] = counted_weights(chosen) * float(
        budgeted_bits(chosen, links[0], mean, gains, light)
    )
    agrees = _agrees(point.accuracy, min_accuracy, confirmed) if confirmed else None
    clone = clone_of(chosen.digest, inferences, [link.f2 for link in links])
    if json:
        f2 = one_or_each([link.f2 for link in links])
        settings = {"network": chosen.name, "digest": chosen.digest, "f2": f2}
        found = {
            "feasible": True,
            "expected_accuracy": point.accuracy,
            "confirmed": agrees,
            "against_budgets": leaks,
            "binding": sorted(binds),
            "certified_over_declared": ratio,
        }
        # A run has a clone of its own, after as many inferences as it has images.
        planned = {"extraction": None if clone is None else asdict(clone)}
        how = settings_of(point.link)
        print_json({**settings, **how, **found, **asked, **confirmed, **planned})
        return 0
    if confirmed:
        show(confirmed)
        said = (
            f", {confirmed['accuracy']:.2%} in the run above: {'' if agrees else 'not '}confirmed"
        )
    else:
        said = "; --confirm runs the images at this point"
        for number, link in enumerate(links[:1] if even else links, 1):
            whose = "" if even else f", layer {number}"
            click.echo(
                f"{chosen.name}{whose}: G = {link.gain:.7g}, μ = {link.photons:.4g} photons per "
                f"mode, F² = {link.f2:.4g}"
            )
    after = f" after {inferences:,} inferences" if inferences > 1 else ""
    worst = " of the layer that leaks most" if each_layer else ""
    click.echo(
        f"\nexpected accuracy   {point.accuracy:.2%} from the calibrated curve{said}\n"
        f"against the budgets {leaks['weight_bits']:.4g} bits per weight{worst}{after}"
        f" ({weight_bound}){_of(max_weight_bits)}, {leaks['data_bits']:.4g} bits per data element "
        f"({data_bound}){_of(max_data_bits)}\n"
        f"in all              {leaks['total_bits']:.6g} bits of the weights{after} ({weight_bound})"
        f"{_of(max_total_bits)}, {leaks['image_bits']:.4g} bits per image "
        f"({data_bound}){_of(max_image_bits)}\n"
        f"what binds          {'; '.join(binds.values()) or 'the accuracy that is asked for'}"
        + (f"\nextraction          {clone}" if clone else "")
    )
    if time is not None:
        click.echo(
            f"certificate         {ratio:.4g} × the declared leakage after {time.hours:g} hours of "
            f"line time, {time.symbols:.3g} symbols on decoys"
        )
    click.echo(f"feasible region     {plot}")
    return 0


def _agrees(expected: float, least: float | None, confirmed: dict[str, Any]) -> bool:
    """Return whether a run reached what was asked for and, within 3 counting errors, the curve."""
    accuracy, error = confirmed["accuracy"], confirmed["accuracy_error"]
    return (least is None or accuracy >= least) and abs(accuracy - expected) <= 3 * error


def _of(budget: float | None) -> str:
    return "" if budget is None else f" of {budget:g}"
