"""The documentation site: pages in Markdown, and the reference from docstrings.

`make docs` builds it. Nothing in it comes from outside: formulas are MathML, which browsers draw.
Each tutorial can be downloaded as a notebook.
"""

import re
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))
from notebooks import notebook, with_download

project = "Shotveil"
author = "The Shotveil developers"
release = version_of("shotveil")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"Shotveil {release}"
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "description"
default_role = "literal"
suppress_warnings = ["misc.highlighting_failure"]  # sketches of code with an ellipsis in them


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f"<div class='math'>{convert(node.astext(), display='block')}</div>")
    raise nodes.SkipNode


_ARGUMENT = re.compile(r"[a-z_]+(?:, [a-z_]+)*: ")


def _arguments(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """Make a field of each argument that a docstring describes, in lines such as `gain: G > 1.`"""
    written: list[str] = []
    inside = False
    for line in lines:
        begins = bool(_ARGUMENT.match(line))
        if begins or (inside and not line.startswith(" ")):
            written += [""] if begins != inside else []
            inside = begins
        written.append(f":{line}" if begins else line)
    lines[:] = written


def _offer_notebook(app: Sphinx, page: str, source: list[str]) -> None:
    """Write the notebook of a tutorial beside its page, and a link to it on the page."""
    folder, _, name = page.rpartition("/")
    if folder == "tutorials":
        file = Path(app.outdir) / f"{page}.ipynb"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(notebook(source[0]), encoding="utf-8")
        source[0] = with_download(source[0], f"{name}.ipynb")


def setup(app: Sphinx) -> None:
    """Tell Sphinx how to write formulas, and what to do to each page that it reads."""
    app.connect("source-read", _offer_notebook)
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.connect("autodoc-process-docstring", _arguments)
