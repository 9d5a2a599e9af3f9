"""`shotveil registers`: the map of a node's registers, for the page docs/registers.md."""

from __future__ import annotations

import click

from shotveil.host.commands.options import json_option
from shotveil.host.commands.output import print_json


@click.command()
@json_option
def registers(json: bool) -> None:
    """Print the map of a node's registers as a page in Markdown.

    With --json the registers of either role are given by their names.
    """
    from shotveil.models.node.register_map import register_map
    from shotveil.models.node.register_page import markdown
    from shotveil.models.node.spec import ROLES, NodeSpec

    if not json:
        click.echo(markdown(), nl=False)
        return
    maps = {role: register_map(NodeSpec(role=role)) for role in ROLES}
    print_json(
        {
            role: {
                register.name: {
                    "address": known.address(register.name),
                    "kind": register.access.value,
                    "bits": register.width,
                    "unit": register.unit,
                    "what": register.doc,
                }
                for register in known
            }
            for role, known in maps.items()
        }
    )
