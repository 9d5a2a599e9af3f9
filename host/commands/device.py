"""`shotveil device`: look at a node, test it, record with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from shotveil.host.commands.options import (
    FILE,
    URL,
    PathOption,
    json_option,
    out_option,
    seed_option,
)
from shotveil.host.commands.output import print_json

record_option = click.option(
    "--record", type=FILE, help="New file that all traffic with the node is recorded in."
)


@click.group()
def device() -> None:
    """Look at a node, test it, or record with it: a model, simulated gateware or a board.

    The URL of a node is model:server, model:client, light:server, rtl:server, rtl:client,
    tcp:HOST:PORT, serial:PORT, serial:PORT@BAUD, or replay:FILE for a session that was recorded.
    """


def _command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    def decorate(function: Callable[..., Any]) -> click.Command:
        command = device.command(name)(click.argument("url", type=URL)(record_option(function)))
        assert isinstance(command, click.Command)
        return command

    return decorate


@contextmanager
def _opened(url: str, record: Path | None) -> Iterator[Any]:
    """Open the node at a URL during the block, and report its errors to the user as one line."""
    from shotveil.host.devices.device import DeviceError
    from shotveil.host.devices.node import Node
    from shotveil.host.devices.opening import open_device

    try:
        with Node(open_device(url, record=record)) as node:
            yield node
    except DeviceError as error:
        raise click.ClickException(str(error)) from error


@_command("info")
@json_option
def info(url: str, record: Path | None, json: bool) -> None:
    """Show the identity of the node at URL, how it was built, its state and its counters."""
    from shotveil.models.node.register import Access, RegisterRole

    with _opened(url, record) as node:
        values = node.registers.read()
        registers = [r for r in node.device.map if r.name in values]
        shown = {
            r.name: f"{values[r.name]:08x}"
            if r.role is RegisterRole.IDENTITY
            else _plain(values[r.name])
            for r in registers
        }
    if json:
        print_json({"device": url, "role": node.spec.role, **shown})
        return
    click.echo(f"{url}: a {node.spec.role}'s node{' with loopback' * node.spec.loopback}")
    titles = {Access.CONSTANT: "", Access.SETTING: ", set", Access.STATUS: ", status"}
    width = max(map(len, shown))
    title = ""
    for register in sorted(registers, key=lambda r: (r.group, r.access.value)):
        head = register.group + titles[register.access]
        if head != title:
            title = head
            click.echo(f"\n{title}")
        value = shown[register.name]
        click.echo(f"  {register.name:{width}}  {_text(value)} {register.unit}".rstrip())


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value


@_command("selftest")
@seed_option
@json_option
@click.pass_context
def selftest(ctx: click.Context, url: str, record: Path | None, seed: int, json: bool) -> None:
    """Play a batch through the node at URL and compare every sum with the models, to the bit.

    The node has to hear what it sends: the models and simulated gateware do, and boards with a
    loopback bitstream. The exit code is 1 if anything differs.
    """
    import numpy as np

    from shotveil.host.devices.selftest import selftest as run

    with _opened(url, record) as node:
        checks = run(node, np.random.default_rng(seed))
    failed = [check for check in checks if not check.passed]
    if json:
        print_json(
            {
                "device": url,
                "passed": not failed,
                "checks": {c.name: {"passed": c.passed, "detail": c.detail} for c in checks},
            }
        )
    else:
        for check in checks:
            click.echo(f"{'ok    ' if check.passed else 'FAILED'}  {check.name}", nl=False)
            click.echo("" if check.passed else f": {check.detail}")
        click.echo(f"{len(checks) - len(failed)} of {len(checks)} checks passed")
    ctx.exit(1 if failed else 0)


@_command("capture")
@out_option(
    None, "Name of the record, to which .sigmf-data and .sigmf-meta are added.", PathOption("name")
)
@click.option(
    "--rows",
    type=int,
    default=0,
    help="Number of random rows to send; the record begins with the first frame (0 or more).",
)
@click.option(
    "--level",
    type=float,
    default=0.3,
    help="Size of the rows' field, relative to the largest one (from 0 to 1).",
)
@seed_option
@json_option
def capture(
    url: str, record: Path | None, out: Path, rows: int, level: float, seed: int, json: bool
) -> None:
    """Record raw ADC samples of the node at URL into a SigMF file.

    Without --rows no light is sent, the node's settings stay, and what comes in is recorded.
    """
    import numpy as np

    from shotveil.host.devices import sigmf_files
    from shotveil.host.extras import import_extra
    from shotveil.models.common.checks import require
    from shotveil.models.digitiser.spec import DigitiserSettings
    from shotveil.models.drive.spec import DriveSettings

    require("rows", rows, at_least=0)
    import_extra("sigmf", "device")  # checked first, so that no recording is lost
    sigmf_files.names(out)
    with _opened(url, record) as node:
        if rows:
            digitiser = DigitiserSettings()
            layout = digitiser.layout
            node.configure(DriveSettings(layout=layout, scale=level, reference=level), digitiser)
            high = node.spec.drive.symbol.highest
            rng = np.random.default_rng(seed)
            sent = rng.integers(-high, high + 1, (rows, 2, layout.row))
            samples = node.play(sent, capture=True).samples
        else:
            samples = node.capture()
        data, meta = sigmf_files.write(out, node, samples)
    rms = np.sqrt(np.mean(samples.astype(np.float64) ** 2))
    if json:
        print_json(
            {"data": str(data), "meta": str(meta), "samples": samples.shape[1], "rms": float(rms)}
        )
        return
    click.echo(f"{data}, {meta}: {samples.shape[1]} samples, rms {rms:.2f} ADC steps")
