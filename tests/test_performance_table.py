"""README's performance table is what benchmarks/RESULTS.md gives."""

from __future__ import annotations

from pathlib import Path

import pytest

import readme_table
from run import block
from tables import FIT_HEADER, header, row

ROOT = Path(__file__).resolve().parents[1]
README, RESULTS = ROOT / "README.md", ROOT / "benchmarks" / "RESULTS.md"


def results(*rows: str, posterior: tuple[str, ...] = ()) -> str:
    """A page of results with one data set."""
    fits = block("fit", ["### toy", "", "`y ~ x`: few.", "", *header(FIT_HEADER), *rows], ["Measured."])
    return "\n\n".join(["# Results", fits, block("posterior", list(posterior), ["Measured."])])


def test_the_table_of_the_readme_is_that_of_the_results():
    readme = README.read_text(encoding="utf-8")
    assert readme == readme_table.renewed(readme, RESULTS.read_text(encoding="utf-8")), (
        "run: uv run python benchmarks/readme_table.py"
    )


def test_the_table_is_short():
    made = readme_table.table(RESULTS.read_text(encoding="utf-8")).splitlines()[1:-1]
    assert 2 < len(made) <= 8 and max(map(len, made)) <= 110


def test_ratios_and_reasons_come_from_the_rows():
    page = results(
        row("REML", "blupbayes 1", "9.0", "5.20 [5.00, 6.00]", "1"),
        row("REML", "lme4 1.1", "9.0", "10.0 [9.00, 11.0]", "1.92 [1.80, 2.10]"),
        row("REML", "lme4 1.1, no derivatives", "9.0", "9.00", "1.73"),
        row("REML", "mixedlm 1", "9.0", "2.50", "0.481 [0.400, 0.500]"),  # a peer that wins is shown
        row("REML", "glmmTMB 1", "9.1", "**stops 0.1 above**"),
        row("REML", "nlme 3", "9.1", "**stops 0.1 above**"),
        row("REML", "nlme 3, strict", "9.0", "20.0", "3.85"),
        row("REML", "lme-python 1", "", "**not finished after 60 s**"),
        row("REML", "statsmodels 1", "8.0", "**1 BELOW ours: another criterion, or ours is no optimum**"),
        row("ML", "blupbayes 1", "8.0", "5.20", "1"),
        row("ML", "lme4 1.1", "8.0", "99.0", "77.0"),
        row("ML", "gpboost 1", "8.0", "52.0", "10.0"),
    )
    (line,) = readme_table.fit_lines(page)
    assert line.split() == ["toy", "5.20", "1.92", "+0.1", "3.85*", "0.481", ">60", "s", "differs", "10.0"]


def test_the_default_settings_are_shown_first():
    page = results(
        row("REML", "blupbayes 1", "9.0", "5.20", "1"),
        row("REML", "lme4 1.1", "9.2", "**stops 0.2 above**"),
        row("REML", "lme4 1.1, no derivatives", "9.0", "9.00", "1.73"),
        row("REML", "lme4 1.1, strict", "9.1", "**stops 0.1 above**"),
    )
    (line,) = readme_table.fit_lines(page)
    assert line.split()[2] == "+0.2"


def test_a_tool_that_was_not_run_has_a_dash():
    (line,) = readme_table.fit_lines(results(row("REML", "blupbayes 1", "9.0", "5.20", "1")))
    assert line.split() == ["toy", "5.20", *"-------"]


def test_the_posterior_is_one_line_with_the_best_of_each_sampler():
    names = ("model", "tool", "x")
    page = results(
        posterior=(
            "Exact posterior of `y ~ x`: 66.0 [60.0, 70.0] ms from the model.",
            *header(names),
            row("a", "blupbayes, PyMC centered", "81.0", width=3),
            row("a", "PyMC 6, written by hand", "70.4 [60.0, 80.0]", width=3),
            row("b", "Bambi 0.2", "378", width=3),
            row("b", "rstanarm 2", "", width=3),
        )
    )
    assert readme_table.posterior_line(page).endswith(
        " 66.0 ms; draws to 1 % of an sd: PyMC x 70, Bambi x 378"
    )


def test_a_readme_without_the_place_is_refused():
    with pytest.raises(ValueError, match="no place"):
        readme_table.renewed("# title\n", results())
