"""Tutorials as notebooks: cells of text and of code, in the format of Jupyter (nbformat 4.5).

The pages in Markdown are what is written and tested. `make docs` makes the notebooks from them.
"""

import json
import re
from typing import Any

# Notebooks show formulas between dollars, as the pages do, but no links to pages of the site.
_CODE = re.compile(r"```python\n(.*?)```\n?", re.DOTALL)
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]+\)")


def notebook(page: str) -> str:
    """Return a notebook as JSON text, of a page whose Python blocks are cells that run in order."""
    cells: list[dict[str, Any]] = []
    for number, part in enumerate(_CODE.split(page)):
        is_code = number % 2 == 1  # the pattern's group, which `split` puts between the texts
        text = part.strip() if is_code else _LINK.sub(r"\1", part).strip()
        if text:
            cell = {"cell_type": "code" if is_code else "markdown", "id": f"cell-{number}"}
            run = {"execution_count": None, "outputs": []} if is_code else {}
            cells.append({**cell, "metadata": {}, "source": text, **run})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    found = {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def with_download(page: str, name: str) -> str:
    """Return the page with a link below its title to the notebook of that name."""
    title, rest = page.split("\n", 1)
    return f'{title}\n\n<a href="{name}" download>Download this page as a notebook</a>\n{rest}'
