"""A report as a notebook that was run from top to bottom in a kernel of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from blupbayes.errors import BlupbayesError
from blupbayes.show.report.markdown import line, section_text
from blupbayes.show.report.pieces import Report, Section

__all__ = ["notebook"]

MANUAL = (
    "Every cell can be run again, from top to bottom; it needs Python with blupbayes and its extra `report`. The last "
    "cells say whether the numbers are still those of the report."
)


def notebook(
    report: Report, cells: Iterable[tuple[str, Any]], folder: Path, advance: Callable[[str], None]
) -> str:
    """The notebook with its outputs, as JSON.

    Parameters
    ----------
    report : Report
        Its title and lead.
    cells : iterable of (str, str or Section)
        ("code", text) or ("told", section).
    folder : Path
        Where it will stand: paths in it are seen from there.
    advance : callable
        Told what is being done.

    Raises
    ------
    BlupbayesError
        If a cell fails; nothing is written then.
    """
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    made = [new_markdown_cell(f"# {line(report.title)}\n\n{line(report.lead)}\n\n{MANUAL}")]
    for what, content in cells:
        made.append(new_code_cell(content) if what == "code" else new_markdown_cell(told(content)))
    for k, cell in enumerate(made):
        cell["id"] = f"cell-{k:02d}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = new_notebook(cells=made, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})
    run(book, folder, advance)
    nbformat.validate(book)
    return str(nbformat.writes(book)) + "\n"


def told(section: Section) -> str:
    """A heading and its pieces."""
    return section_text(section, lambda piece: "", dollars=True)


def run(book: Any, folder: Path, advance: Callable[[str], None]) -> None:
    """Run every cell in ``folder``; times and the machine are not noted."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    advance("Running the notebook")
    options: dict[str, Any] = {
        "timeout": None,
        "record_timing": False,
        "extra_arguments": ["--log-level=ERROR"],
    }
    options["resources"] = {"metadata": {"path": str(folder)}}
    try:
        NotebookClient(book, kernel_name="python3", **options).execute()
    except CellExecutionError as failure:
        raise BlupbayesError(
            f"report: a cell of the notebook failed ({failure.ename}: {failure.evalue}), so none was written. Write "
            ".html or .md instead, and please tell us."
        ) from failure
    book.metadata.pop("language_info", None)
    book.metadata["language_info"] = {"name": "python"}
