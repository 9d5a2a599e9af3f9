"""Options from a TOML file: one table for each command, `[infer]` or `[lab.cosim]`.

A key is an option's name without its dashes in front, such as `max-weight-bits = 0.1`. Relative
paths are relative to the folder of the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shotveil.host.commands.options import FILE, PathOption, PerLayer
from shotveil.models.common.checks import RangeError
from shotveil.models.common.foreign import ForeignFile

DEFAULT_FILE = Path("shotveil.toml")


def read_config(context: click.Context, option: click.Parameter, given: Path | None) -> Path | None:
    """Make the values in the file the defaults of all commands' options; return its path.

    Raises `RangeError` for a file that cannot be read, and for a table, a key or a value in it that
    no command accepts.
    """
    if context.resilient_parsing:  # while a shell completes a line, nothing is refused
        return given
    path = given or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    if path is None:
        return None
    tables = ForeignFile("configuration file", path).toml()
    assert isinstance(context.command, click.Group)
    context.default_map = _tables(context.command, context, tables, path, ())
    return path


config_option = click.option(
    "--config",
    type=FILE,
    callback=read_config,
    expose_value=False,
    is_eager=True,
    show_default="shotveil.toml, if it is in the working directory",
    help="TOML file with options of the commands, in one table for each command.",
)


def _tables(
    group: click.Group,
    context: click.Context,
    values: dict[str, Any],
    path: Path,
    above: tuple[str, ...],
) -> dict[str, Any]:
    """Return the defaults in a table of tables for a group's commands, by command name."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        where = (*above, name)
        command = group.get_command(context, name)
        if command is None or not isinstance(value, dict):
            dotted = ".".join(where)
            what = f"the table [{dotted}]" if isinstance(value, dict) else f"the key {dotted}"
            tables = ", ".join(f"[{'.'.join((*above, n))}]" for n in group.list_commands(context))
            raise RangeError(f"{path}: {what} is unknown; allowed: the tables {tables}")
        if isinstance(command, click.Group):
            found[name] = _tables(command, context, value, path, where)
        else:
            found[name] = _options(command, context, value, path, where)
    return found


def _options(
    command: click.Command,
    context: click.Context,
    values: dict[str, Any],
    path: Path,
    where: tuple[str, ...],
) -> dict[str, Any]:
    """Return the defaults in a table for a command's options, by parameter name."""
    options = {
        text.removeprefix("--"): option
        for option in command.params
        if isinstance(option, click.Option) and option.expose_value
        for text in option.opts
        if text.startswith("--")
    }
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key not in options:
            raise RangeError(
                f"{path}: the key {key} of [{'.'.join(where)}] is unknown; "
                f"allowed: {', '.join(options)}"
            )
        option = options[key]
        name = f"{path}: {key} of [{'.'.join(where)}]"
        items = value if option.multiple and isinstance(value, list) else [value]
        for item in items:
            _require_type(name, option, item)
        placed = [_beside(path, option, item) for item in items]
        try:
            for item in placed:
                option.type.convert(item, option, context)
        except (click.BadParameter, RangeError, OverflowError) as error:
            said = error.format_message() if isinstance(error, click.BadParameter) else error
            raise RangeError(f"{name}: {said}") from None
        assert option.name is not None
        found[option.name] = placed if option.multiple else placed[0]
    return found


def _require_type(name: str, option: click.Option, value: Any) -> None:
    """Raise `RangeError` unless a value of the file has the type of the option."""
    kinds: tuple[type, ...]
    if isinstance(option.type, PerLayer) and isinstance(value, list) and value:
        for each in value:
            _require_type(name, option, each)
        return
    if option.is_flag:
        allowed, kinds = "true or false", (bool,)
    elif isinstance(option.type, click.types.IntParamType):
        allowed, kinds = "an integer", (int,)
    elif isinstance(option.type, click.types.FloatParamType):
        allowed, kinds = "a number", (int, float)
    elif isinstance(option.type, PerLayer):
        allowed, kinds = "a number, or a list with one for each layer", (int, float)
    else:
        allowed, kinds = "a text in quotation marks", (str,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and not option.is_flag):
        also = ", or a list of them" if option.multiple else ""
        raise RangeError(f"{name} = {value!r} is of the wrong type; allowed: {allowed}{also}")


def _beside(path: Path, option: click.Option, value: Any) -> Any:
    """Return a value of the file; a relative path in it is taken from the file's folder."""
    return option.type.beside(path.parent, value) if isinstance(option.type, PathOption) else value
