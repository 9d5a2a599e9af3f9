"""`shotveil lab bench`: benches in cocotb, by the name of their block."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from shotveil.host.commands.options import FILE, OneOf, json_option, seed_option
from shotveil.host.commands.output import Failed, print_json
from shotveil.host.extras import needs
from shotveil.sim.commands._options import EXTRA


def names() -> Iterable[str]:
    """The names of all benches."""
    with needs(EXTRA):
        from shotveil.sim.benches.catalog import benches
    return benches()


def simulators() -> Iterable[str]:
    """The names of all simulators."""
    with needs(EXTRA):
        from shotveil.sim.benches.catalog import simulators as known
    return known.NAMES


@click.command()
@click.argument("blocks", nargs=-1, type=OneOf("block", names), metavar="[BLOCK]...")
@click.option(
    "--sim",
    type=OneOf("simulator", simulators),
    default="verilator",
    help="Simulator that runs the Verilog: verilator or icarus.",
)
@click.option(
    "--waves", is_flag=True, help="Write the waves of all signals, for Surfer or GTKWave."
)
@click.option("--all", is_flag=True, help="Run every bench that there is.")
@click.option(
    "--out",
    type=FILE,
    default=Path("reports/bench"),
    help="Folder in which each bench gets a folder for its log, waves and coverage.",
)
@seed_option
@json_option
def bench(
    blocks: tuple[str, ...], sim: str, waves: bool, all: bool, out: Path, seed: int, json: bool
) -> None:
    """Run the cocotb benches of blocks on their Verilog, or list all benches if none is named.

    Ends with exit code 1 where a test fails, which the log explains, or where fewer than 95% of the
    named bins of a bench were met.
    """
    with needs(EXTRA):
        from shotveil.sim.benches import catalog, coverage

    known = catalog.benches()
    chosen = list(known) if all else list(blocks)
    if not chosen:
        if json:
            print_json(known)
        else:
            width = max(map(len, known))
            click.echo("\n".join(f"{name:<{width}}  {shows}" for name, shows in known.items()))
        return
    bad, told = [], {}
    for name in chosen:
        folder = out / f"{name}-{sim}"
        tell = (lambda line: None) if json else click.echo
        with needs(EXTRA):
            outcome = catalog.play(name, folder, sim, seed=seed, waves=waves, tell=tell)
        share = coverage.share(outcome.hits)
        told[name] = {
            "tests": outcome.tests,
            "failed": outcome.failed,
            "coverage": share,
            "waves": str(outcome.waves) if outcome.waves else None,
        }
        if not json:
            passed = outcome.tests - len(outcome.failed)
            click.echo(
                f"{name}: {passed} of {outcome.tests} tests passed, {share:.0%} of the named bins "
                f"were met; see {folder}/log.txt and {folder}/coverage.html"
            )
            if outcome.waves:
                click.echo(f"{name}: waves are in {outcome.waves}")
        if not outcome.passed:
            bad.append(f"{name}: {', '.join(outcome.failed)}")
    if json:
        print_json({"passed": not bad, "benches": told})
    if bad:
        raise Failed("these tests failed:\n" + "\n".join(bad))
