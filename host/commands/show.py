"""A run on the terminal: a bar while it goes on, a summary for a person when it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, if that is a terminal; call it with (done since, total)."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(description, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, advance=done, total=total)

        yield advance


def show(summary: dict[str, Any]) -> None:
    """Print a summary for a person to read."""
    console = Console(highlight=False)
    error = 100 * summary["accuracy_error"]
    console.print(
        f"\n[bold]{summary['network']}[/bold]: {summary['images']:,} images, "
        f"accuracy [bold]{summary['accuracy']:.2%}[/bold] (± {error:.2f} counting error), "
        f"{summary['images_per_second']:,.0f} images a second"
    )
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in _optics(summary) + _leaks(summary) + _verdict(summary["verification"]):
        table.add_row(name, value)
    console.print(table)


def _optics(s: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("", ""),
        ("[bold]optics[/bold]", f"F² = {s['f2']:.4g} at the client (declared settings)"),
        ("  gain of the client", f"G = {s['gain']:.7g}"),
        ("  light of the server", f"μ = {s['photons']:.4g} photons per mode"),
        (
            "  loop",
            f"transmittance {s['transmittance']:.4g}, "
            f"technical excess noise {s['excess_noise']:.4g} SNU",
        ),
    ]


def _leaks(s: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("", ""),
        ("[bold]leakage, declared[/bold]", "upper bounds that the settings imply"),
        ("  weights → client", f"{s['weight_leakage_bits']:.3g} bits per weight and inference"),
    ]
    if s["inferences"] > 1:
        after, count = s["weight_leakage_bits_after"], s["inferences"]
        rows.append(("", f"{after:.3g} bits per weight after all {count:,} inferences"))
    named = {
        "crb_v1": "crb_v1: homodyning, arXiv v1",
        "crb_prx": "crb_prx: homodyning, PRX",
        "qcrb": "qcrb: any measurement of a row",
        "holevo": "holevo: anything, a theorem",
    }
    for i, (bound, label) in enumerate(named.items()):
        bits = s["data_leakage_bits"][bound]
        rows.append(("" if i else "  data → server", f"{bits:.3g} bits per pixel ({label})"))
    return rows


def _verdict(v: dict[str, Any]) -> list[tuple[str, str]]:
    if not v:
        return []
    bits = v["weight_leakage_bits"]
    verdict = "[green]accepted[/green]" if v["accepted"] else "[red]rejected[/red]"
    rows = [
        ("", ""),
        ("[bold]verification[/bold]", f"{verdict} by the server, {v['symbols']:,} symbols"),
        (
            "  transmittance",
            f"{v['declared_transmittance']:.6f} declared, {v['transmittance']:.6f} estimated",
        ),
        (
            "  excess noise",
            f"{v['declared_excess_noise']:.6f} declared, {v['excess_noise']:.6f} estimated (SNU)",
        ),
        (
            "  weights → client",
            f"{bits['declared']:.3g} declared, {bits['estimated']:.3g} estimated, "
            f"{bits['certified']:.3g} certified (bits)",
        ),
    ]
    if not v["accepted"]:
        rows += [("", layer["reason"]) for layer in v["layers"] if not layer["accepted"]]
    return rows
