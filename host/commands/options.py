"""Options that several commands share, and the settings that they give.

A parameter has the name of its option, because the environment and the configuration file use it.
Slow modules are imported only when a value is checked or completed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from shotveil.host.leakage.default_bounds import DATA_BOUND, WEIGHT_BOUND
from shotveil.host.verification.levels import FALSE_ALARM_PROBABILITY
from shotveil.models.common.checks import RangeError, require
from shotveil.models.common.parameters import Parameter
from shotveil.models.link.channel import Channel
from shotveil.models.link.labs import IDEAL, LABS
from shotveil.models.link.labs import lab as lab_called
from shotveil.models.link.light import Light, Values, light_through

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


# Kinds of values --------------------------------------------------------------------------------


class PathOption(click.Path):
    """A path, which may be relative to the configuration file that gives it.

    name: Its metavar. folders: Whether it may be that of a folder, such as "." or "/".
    """

    def __init__(self, name: str, folders: bool = False) -> None:
        super().__init__(path_type=Path)
        self.name, self.folders = name, folders

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; raise `RangeError` for an empty text, and for a folder that is no file.

        An empty text is what a variable of the shell gives that was never set.
        """
        name = self.name if param is None else param.human_readable_name
        if not str(value):
            raise RangeError(f"{name} = ''; allowed: the path of a {self.name}")
        if not self.folders and Path(value).name in ("", ".."):
            raise RangeError(f"{name} = {str(value)!r} is a folder; allowed: the path of a file")
        return super().convert(value, param, ctx)

    def beside(self, folder: Path, value: str) -> str:
        """Return the path that a configuration file in `folder` means."""
        return str(folder / value)


class NetworkName(PathOption):
    """The name of a shipped network, or the path of a file."""

    def __init__(self) -> None:
        super().__init__("network")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name unchanged; whether the network exists is checked when it is loaded."""
        return str(value)

    def beside(self, folder: Path, value: str) -> str:
        """Return a shipped name unchanged, and the path of a file relative to the folder."""
        from shotveil.models.networks.network import shipped_networks

        return value if value in shipped_networks() else super().beside(folder, value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete shipped names and files."""
        from shotveil.models.networks.network import shipped_networks

        return [*_starting(incomplete, shipped_networks()), CompletionItem(incomplete, type="file")]


class LedgerAddress(PathOption):
    """The file of a ledger, or postgresql://USER@HOST/DATABASE?key=FILE."""

    def __init__(self) -> None:
        super().__init__("ledger")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the URL unchanged, and a file as its path."""
        if str(value).startswith("postgresql:"):
            return str(value)
        return super().convert(value, param, ctx)

    def beside(self, folder: Path, value: str) -> str:
        """Return the URL unchanged, and the path of a file relative to the folder."""
        return value if value.startswith("postgresql:") else super().beside(folder, value)


class OneOf(click.ParamType):
    """One of several names, which are looked up only when a value is checked or completed.

    what: The word for such a thing in messages. A name that is unknown raises `RangeError`.
    """

    def __init__(self, what: str, names: Callable[[], Iterable[str]]) -> None:
        self.name, self.what, self.names = what.split()[-1], what, names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value if it is one of the names; raise `RangeError` otherwise."""
        names = list(self.names())
        if value not in names:
            raise RangeError(f"{self.what} = {value!r} is none of {', '.join(names)}")
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin with the incomplete word."""
        return _starting(incomplete, self.names())


class DeviceUrl(click.ParamType):
    """The URL of a node. Completion gives the part that does not depend on the user."""

    name = "url"
    BEGINNINGS = (
        *("model:server", "model:client", "rtl:server", "rtl:client"),
        *("tcp:127.0.0.1:", "serial:/dev/tty", "replay:"),
    )

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the beginnings of URLs."""
        return _starting(incomplete, self.BEGINNINGS)


class PerLayer(click.ParamType):
    """A number for all layers of a network, or one for each with commas between."""

    name = "float[,float…]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a float, or a tuple of floats; raise `RangeError` for anything else."""
        parts = value if isinstance(value, (list, tuple)) else str(value).split(",")
        try:
            values = tuple(float(part) for part in parts)
        except (TypeError, ValueError):
            name = self.name if param is None else param.name
            raise RangeError(
                f"{name} = {value!r}; allowed: a number, or one for each layer with commas between"
            ) from None
        return values if len(values) > 1 else values[0]


def _starting(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


LEDGER = LedgerAddress()
FILE, FOLDER, DATA = PathOption("file"), PathOption("folder", True), PathOption("path", True)
NETWORK, URL = NetworkName(), DeviceUrl()
PER_LAYER = PerLayer()


# Options of many commands -----------------------------------------------------------------------

json_option = click.option(
    "--json", is_flag=True, help="Print one JSON object and nothing else on standard output."
)
seed_option = click.option(
    "--seed",
    type=int,
    default=1,
    help="Seed of all random numbers; one seed gives one result (0 or more).",
)
data_option = click.option(
    "--data",
    type=DATA,
    show_default="the 10,000 MNIST images that are shipped",
    help="Images, or inputs of any kind, with their labels: a file .npz, .csv or .parquet, or a "
    "folder of IDX files or of pictures (docs/data.md).",
)
label_option = click.option(
    "--label",
    metavar="COLUMN",
    show_default="label, class, target or y",
    help="Column of a table that holds the labels.",
)
images_option = click.option(
    "--images",
    type=int,
    show_default="all",
    help="Number of test images to use, counted from the first (1 or more).",
)
false_alarm_option = click.option(
    "--false-alarm-probability",
    type=float,
    default=FALSE_ALARM_PROBABILITY,
    help="Probability that an honest party is ever refused: a client over all its sessions, a "
    "server in one session (between 0 and 1).",
)

sense_option = click.option(
    "--sense",
    type=click.Choice(["declared", "certified"]),
    default="certified",
    help="Which total a budget limits: the certified one, at the worst channel that the light so "
    "far does not exclude, or the one that the settings declare, on trust.",
)


def network_option(default: str | None = "mnist") -> Decorator:
    """Add `--network`."""
    return click.option(
        "--network",
        type=NETWORK,
        default=default,
        help="Network to use: the name of a shipped one, or a file.",
    )


def out_option(default: str | None, help: str, place: PathOption = FILE) -> Decorator:
    """Add `--out`, which is required where it has no default."""
    if default is None:
        return click.option("--out", type=place, required=True, help=help)
    return click.option("--out", type=place, default=Path(default), help=help)


def data_bounds() -> Iterable[str]:
    """Return the names of all bounds on the data."""
    from shotveil.host.leakage.catalogue import DATA_BOUNDS

    return DATA_BOUNDS


def weight_bounds() -> Iterable[str]:
    """Return the names of all bounds on the weights."""
    from shotveil.host.leakage.catalogue import WEIGHT_BOUNDS

    return WEIGHT_BOUNDS


def backends() -> Iterable[str]:
    """Return the names of all backends that installed packages offer."""
    from shotveil.host.run.backends import backend_names

    return backend_names()


def data_bound_option(use: str, default: str = DATA_BOUND) -> Decorator:
    """Add `--data-bound`; `use` says what the bound is for."""
    return click.option(
        "--data-bound",
        type=OneOf("data bound", data_bounds),
        default=default,
        help=f"Bound on the leakage of the data {use}; `shotveil leakage` prints all of them.",
    )


def max_total_bits_option(help: str, show_default: str = "no limit") -> Decorator:
    """Add `--max-total-bits`; `help` says which weights it protects, and for how long."""
    return click.option("--max-total-bits", type=float, show_default=show_default, help=help)


def max_image_bits_option(help: str) -> Decorator:
    """Add `--max-image-bits`; `help` says whose images it protects."""
    return click.option("--max-image-bits", type=float, show_default="no limit", help=help)


def weight_bound_option(use: str) -> Decorator:
    """Add `--weight-bound`; `use` says what the bound is for."""
    return click.option(
        "--weight-bound",
        type=OneOf("weight bound", weight_bounds),
        default=WEIGHT_BOUND,
        help=f"Bound on the leakage of the weights {use}; `shotveil leakage` prints all of them.",
    )


# The link ---------------------------------------------------------------------------------------

GAIN_RANGE = "above 1, at most 10⁶"  # as `models.link.amplifier.require_gain` has it
gain_option = click.option(
    "--gain",
    type=PER_LAYER,
    required=True,
    help="Power gain of the client's amplifier, for all layers, or one for each with commas "
    f"between ({GAIN_RANGE}).",
)
photons_option = click.option(
    "--photons",
    type=PER_LAYER,
    help="Mean number of photons per mode as the light leaves the server, for all layers, or one "
    "for each with commas between (above 0).",
)
f2_option = click.option(
    "--f2",
    type=PER_LAYER,
    help="Optical signal-to-noise scale F² at the client, in place of --photons, for all layers, "
    "or one for each with commas between (above 0).",
)
_LIGHT = (gain_option, photons_option, f2_option)


lab_option = click.option(
    "--lab",
    type=OneOf("lab", lambda: LABS),
    default=IDEAL.name,
    help="Named set of imperfections of the link: `ideal` or `realistic`; options of the link that "
    "are given explicitly replace its values.",
)


def _channel_option(each: Parameter) -> Decorator:
    # No default here, so that a value that is given can be told from one of the lab.
    default = None if each.default is None else f"{each.default:g}, or the lab's"
    return click.option(
        f"--{each.name.replace('_', '-')}",
        type=float,
        show_default=default or False,
        help=each.described,
    )


_CHANNEL = {each.name: _channel_option(each) for each in Channel.settings()}


def channel_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe fibre and detectors."""
    return _add(command, (lab_option, *_CHANNEL.values()))


def link_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe the whole link: light, fibre, detectors."""
    return _add(command, (*_LIGHT, lab_option, *_CHANNEL.values()))


def client_optics_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe the client's own optics: its loss imbalance and detector."""
    own = [
        option
        for name, option in _CHANNEL.items()
        if name == "loss_imbalance" or name.startswith("client_")
    ]
    return _add(command, tuple(own))


def channel_of(lab: str = IDEAL.name, **settings: float | None) -> Channel:
    """Return the channel from the values of `channel_options`. Raises `RangeError`."""
    return lab_called(lab).channel(**settings)


def link_of(gain: Values, photons: Values | None, f2: Values | None, **channel: Any) -> Light:
    """Return the light from the values of `link_options`. Raises `RangeError`."""
    if (photons is None) == (f2 is None):
        given = "neither" if photons is None else "both"
        raise RangeError(f"{given} of --photons and --f2 given; allowed: exactly one of them")
    require("photons" if f2 is None else "f2", photons if f2 is None else f2, above=0)
    return light_through(channel_of(**channel), gain, photons=photons, f2=f2)


def _add(command: Callable[..., Any], options: tuple[Any, ...]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command
