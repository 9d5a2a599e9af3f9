"""The output of a run on the terminal: a progress bar, and then a summary for a person."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress and the time left on standard error; give a function (done since, total).

    A terminal gets a bar; a file or the log of a batch system gets a line twice a minute.
    """
    with progress_bars() as advance:
        advance(description, 0, None)  # it is shown from the start
        yield functools.partial(advance, description)


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int | None], None]]:
    """The same for a task of several stages: give a function (description, done since, total).

    A stage begins when it is named for the first time.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        """How many are done in a second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.3g} a second" if task.speed else "")

    console = Console(stderr=True)
    if not console.is_terminal:
        lines: dict[str, Callable[[int, int | None], None]] = {}

        def tell(description: str, done: int, total: int | None) -> None:
            if description not in lines:
                lines[description] = _lines(description, console)
            lines[description](done, total)

        yield tell
        return
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    tasks: dict[str, TaskID] = {}
    with bars:

        def advance(description: str, done: int, total: int | None) -> None:
            if description not in tasks:
                tasks[description] = bars.add_task(description, total=None)
            bars.update(tasks[description], advance=done, total=total)

        yield advance


def _lines(description: str, console: Console) -> Callable[[int, int | None], None]:
    start = shown = time.monotonic()
    count = 0

    def advance(done: int, total: int | None) -> None:
        nonlocal count, shown
        count += done
        now = time.monotonic()
        if count and total and now - shown >= SECONDS_BETWEEN_LINES:
            shown = now
            left = (now - start) * (total - count) / count
            console.print(f"{description}: {count:,} of {total:,}, {left:,.0f} s left")

    return advance


def rate(number: float) -> str:
    """How many there are in a second, as text: with a fraction where they are few."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def show(summary: dict[str, Any]) -> None:
    """Print a summary for a person to read."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    low, high = summary["accuracy_interval"]
    console.print(
        f"\n[bold]{escape(summary['network'])}[/bold]: [bold]{summary['accuracy']:.2%}[/bold] of "
        f"{summary['images']:,} images right ({low:.2%} to {high:.2%} by counting), "
        f"{rate(summary['images_per_second'])} a second"
    )
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in _optics(summary) + _leaks(summary) + _verdict(summary["verification"]):
        table.add_row(name, value)
    console.print(table)


def _optics(s: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("", ""),
        ("[bold]optics[/bold]", f"F² = {per_layer(s['f2'], '.4g')} at the client"),
        ("  gain of the client", f"G = {per_layer(s['gain'], '.7g')}"),
        ("  light of the server", f"μ = {per_layer(s['photons'], '.4g')} photons per mode"),
        (
            "  loop",
            f"transmittance {s['transmittance']:.4g}, "
            f"technical excess noise {per_layer(s['excess_noise'], '.4g')} SNU",
        ),
    ]


def per_layer(value: float | list[float], form: str) -> str:
    """Return a value in the given format, or one for each layer with commas between."""
    values = value if isinstance(value, list) else [value]
    return ", ".join(format(each, form) for each in values)


def _leaks(s: dict[str, Any]) -> list[tuple[str, str]]:
    from shotveil.host.leakage.catalogue import (
        DATA_BOUND,
        DATA_BOUNDS,
        FURTHER_WEIGHT_BOUNDS,
        SPECTRUM_BOUNDS,
        WEIGHT_BOUND,
    )
    from shotveil.host.run.extraction_curve import PossibleClone

    def weights(name: str) -> str:
        return (
            f"{s['weight_bounds_bits'][name]:.3g} bits per weight and inference, "
            f"{s['total_weight_bits'][name]:,.6g} bits in all"
        )

    def weights_after(name: str) -> str:
        return (
            f"{s['weight_bounds_bits_after'][name]:.3g} bits per weight after all "
            f"{s['inferences']:,} inferences, {s['total_weight_bits_after'][name]:,.6g} bits in all"
        )

    rows = [
        ("", ""),
        ("[bold]leakage, declared[/bold]", "what the settings imply at most"),
        ("  weights → client", weights(WEIGHT_BOUND)),
    ]
    if s["inferences"] > 1:
        rows.append(("", weights_after(WEIGHT_BOUND)))
    for name, weight_bound in (FURTHER_WEIGHT_BOUNDS | SPECTRUM_BOUNDS).items():
        rows.append(("", f"{weights(name)} ({weight_bound.described})"))
        if s["inferences"] > 1:
            rows.append(("", f"{weights_after(name)} ({name})"))
    side = "  data → server"
    for heading, theorem in (("", True), ("  estimates", False)):
        side = heading or side
        for name, bound in DATA_BOUNDS.items():
            if bound.theorem == theorem:
                element, image = s["data_leakage_bits"][name], s["image_bits"][name]
                said = f"{image:.3g} bits per image, {element:.3g} bits per pixel"
                rows.append((side, f"{said} ({bound.described})"))
                side = ""
    for number, layer in enumerate(s["layers"], 1):
        said = (
            f"weights {layer['weight_leakage_bits']:.3g} bits each, "
            f"{layer['total_weight_bits'][WEIGHT_BOUND]:,.6g} in all"
        )
        if s["inferences"] > 1:
            said += (
                f"; after all inferences {layer['weight_leakage_bits_after']:.3g} and "
                f"{layer['total_weight_bits_after'][WEIGHT_BOUND]:,.6g}"
            )
        image = layer["image_bits"][DATA_BOUND]
        rows.append((f"  layer {number}", f"{said}; data {image:.3g} bits per image"))
    if s["extraction"]:
        rows.append(("  by plain use", str(PossibleClone(**s["extraction"]))))
    return rows


def _in_senses(bits: dict[str, float], unit: str) -> str:
    """Return bits in the three senses, as in the line for one weight."""
    said = ", ".join(f"{value:,.6g} {sense}" for sense, value in bits.items())
    return f"{said} ({unit})"


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
            f"{bits['certified']:.3g} certified (bits per weight)",
        ),
        ("", _in_senses(v["total_weight_bits"], "bits in all")),
        ("", _in_senses(v["total_weight_bits_after"], "bits in all after all inferences")),
    ]
    if not v["accepted"]:
        rows += [("", layer["reason"]) for layer in v["layers"] if not layer["accepted"]]
    return rows
