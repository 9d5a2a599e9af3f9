"""Functional coverage of a bench: named bins that its tests have to meet, and a page of them.

A bench declares its points when it is imported, and its tests sample them. The points are those of
cocotb-coverage, which counts the hits.
"""

from __future__ import annotations

from collections.abc import Callable

from cocotb_coverage.coverage import CoverPoint, coverage_db
from jinja2 import Environment

FLOOR = 0.95  # share of the named bins that a bench has to meet

Hits = dict[str, dict[str, int]]

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>{{ name }}: functional coverage</title>
<style>
body { font: 16px sans-serif; max-width: 60em; margin: 2em auto }
td, th { padding: .2em 1em; text-align: left } td:last-child { text-align: right }
.missed { background: #fbb }
</style>
<h1>{{ name }}</h1>
<p>{{ met }} of {{ bins }} named bins were met ({{ "%.0f"|format(100 * met / bins) }}%).</p>
<table>
<tr><th>point</th><th>bin</th><th>hits</th></tr>
{% for point, table in hits.items() %}{% for bin, count in table.items() -%}
<tr{% if not count %} class="missed"{% endif %}>
<td>{{ point }}</td><td>{{ bin }}</td><td>{{ "{:,}".format(count) }}</td></tr>
{% endfor %}{% endfor %}</table>
"""


def point(name: str, *bins: str) -> Callable[[str], None]:
    """Declare a point with named bins; return the function that counts a hit of one of them.

    Raises `ValueError` for a hit of a bin that was not declared: a bench would count in vain.
    """
    known = frozenset(bins)

    @CoverPoint(f"bench.{name}", bins=list(bins))
    def count(bin: str) -> None:
        if bin not in known:
            raise ValueError(f"point {name} has no bin {bin!r}")

    return count


def collected() -> Hits:
    """The hits of every bin so far, by point and bin."""
    return {
        name.removeprefix("bench."): dict(item.detailed_coverage)
        for name, item in coverage_db.items()
        if isinstance(item, CoverPoint)
    }


def share(hits: Hits) -> float:
    """The share of bins that were met; 1 if there are none."""
    counts = [count for table in hits.values() for count in table.values()]
    return sum(count > 0 for count in counts) / len(counts) if counts else 1.0


def missed(hits: Hits) -> list[str]:
    """The bins that were not met, as `point: bin`."""
    return [f"{p}: {b}" for p, table in hits.items() for b, count in table.items() if not count]


def page(name: str, hits: Hits) -> str:
    """The HTML page that shows all bins."""
    counts = [count for table in hits.values() for count in table.values()]
    met = sum(count > 0 for count in counts)
    template = Environment(autoescape=True).from_string(PAGE)
    return template.render(name=name, hits=hits, met=met, bins=max(len(counts), 1))
