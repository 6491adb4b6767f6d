"""The report of a Comparison: checks the path, composes, renders, writes whole."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from blupbayes.errors import BlupbayesError
from blupbayes.show.report.cells import cells
from blupbayes.show.report.compose import TITLES, compose
from blupbayes.show.report.data_code import data_code
from blupbayes.show.report.findings import Findings
from blupbayes.show.report.output import check_path, folder_of, write_whole
from blupbayes.show.report.pieces import Report
from blupbayes.show.report.subject import subject_of

__all__ = ["Reports"]

NEEDS = {".html": ("jinja2",), ".ipynb": ("nbformat", "nbclient", "ipykernel"), ".md": ()}


class Reports:
    """Methods of a Comparison."""

    answers: Mapping[str, Any]

    def report(
        self,
        path: str | Path,
        *,
        title: str | None = None,
        question: str | None = None,
        force: bool = False,
        data: str | Path | None = None,
        sensitivity: bool | Mapping[str, Any] = True,
        progressbar: bool = True,
    ) -> Path:
        """Write everything into one file that a colleague, a journal or a reviewer can use.

        Question, data, model in formulas and in words, priors, the side-by-side table, shrinkage, the ledger, what the
        prior does, diagnostics, methods text, citations, and what is needed to do it again. What cannot be had is
        named, with the reason.

        Parameters
        ----------
        path : str or Path
            ``.html``: one file, nothing is fetched from a network. ``.ipynb``: a notebook with the code, which was run
            once. ``.md``: text for code hosts; its pictures go to a folder beside it, ``report_files`` for
            ``report.md``.
        title, question : str, optional
            In your words; by default from the data and the formula.
        force : bool
            Replace a file that is there.
        data : path, optional
            The CSV or Parquet file that the table was read from: a notebook then reads it (and checks that it is the
            same); otherwise it loads the data set of the package or holds the columns itself.
        sensitivity : bool or dict
            Whether the posterior is computed under other priors, too, or which: see ``MixedModel.sensitivity``. The
            set that is offered is left out, with a word, for models of more than seven variance parameters.
        progressbar : bool
            Shown in a terminal only.

        Returns
        -------
        Path

        Raises
        ------
        ComparisonError
            If the path cannot be written, something is there, or no answer knows its data; before the work.
        DataError
            If a notebook could not get its data; before the work, too.

        Notes
        -----
        The file is written whole or not at all.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = model.compare().report(Path(folder) / "rail.html", sensitivity=False)
        ...     print(written.name, written.stat().st_size < 2_000_000)
        rail.html True
        """
        target = check_path(path, force)
        check_installed(target.suffix.lower())
        findings = Findings(subject_of(self, data), sensitivity, phone=target.suffix.lower() == ".html")
        if target.suffix.lower() == ".ipynb":
            data_code(findings.subject, target.parent)  # refuses now what it would refuse later
        with progress(len(TITLES) + 1, progressbar) as advance:
            report = compose(findings, title, question, advance)
            text, pictures = rendered(report, findings, target, advance)
        write_whole(target, text, force, pictures)
        return target


def check_installed(suffix: str) -> None:
    """Refuse before the work what needs a package that is not there.

    Raises
    ------
    BlupbayesError
        Naming it.
    """
    absent = [name for name in ("matplotlib", *NEEDS[suffix]) if find_spec(name) is None]
    if absent:
        raise BlupbayesError(
            f"report: a {suffix} file needs {absent[0]}. Install blupbayes[report], the package with that extra."
        )


def rendered(
    report: Report, findings: Findings, target: Path, advance: Callable[[str], None]
) -> tuple[str, dict[str, bytes]]:
    """The text of the file, and pictures that go beside it."""
    if target.suffix.lower() == ".ipynb":
        from blupbayes.show.report.notebook import notebook

        return notebook(report, cells(report, findings, target.parent), target.parent, advance), {}
    advance("Writing")
    if target.suffix.lower() == ".md":
        from blupbayes.show.report.markdown import document

        return document(report, folder_of(target).name)
    from blupbayes.show.report.html import page

    return page(report), {}


@contextmanager
def progress(total: int, wanted: bool) -> Iterator[Callable[[str], None]]:
    """A bar in a terminal, nothing elsewhere."""
    if not (wanted and sys.stdout.isatty()):
        yield lambda title: None
        return
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        task = bar.add_task("report", total=total)

        def advance(title: str) -> None:
            bar.update(task, description=title, advance=1)

        yield advance
