"""What the benchmarks print: no time where answers differ, ratios of one round, failures as they are."""

from __future__ import annotations

import json
import math
import sys

import pytest

import scale
from data import ALL, covariance, latin_square, simulate
from process import last_words, measure
from run import block, command, replaced
from tables import Measured, fit_rows, header, losses, ratio, read_tables, spread, three, verdict


def measured(tool: str, criterion: float, *rounds: list[float]) -> Measured:
    """A fake tool: times of its rounds in seconds."""
    return Measured(tool, [{"criterion": criterion, "whole": list(r), "alone": []} for r in rounds])


def table(found: dict[str, Measured]) -> list[dict[str, str]]:
    """Rows of the table of one data set."""
    from tables import FIT_HEADER

    return [row for _, row in read_tables([*header(FIT_HEADER), *fit_rows("REML", found)])]


def test_a_tool_that_stops_above_gets_no_time():
    found = {
        "blupbayes": measured("blupbayes 1", 100.0, [0.01]),
        "peer": measured("peer 2", 100.0021, [0.001]),
    }
    ours, theirs = table(found)
    assert ours["x"] == "1" and ours["formula and frame, ms"].startswith("10.0")
    assert theirs["formula and frame, ms"] == "**stops 0.0021 above**" and theirs["x"] == ""
    assert "1.00" not in "".join(list(theirs.values())[3:])
    assert losses({"d": found}) == ["- None, in this run."]  # ten times as fast, at another answer


def test_a_tool_below_ours_with_nobody_beside_us_takes_all_times_away():
    found = {"blupbayes": measured("blupbayes 1", 100.0, [0.01]), "peer": measured("peer 2", 99.9, [0.1])}
    ours, theirs = table(found)
    assert "no time" in ours["formula and frame, ms"] and "BELOW" in theirs["formula and frame, ms"]
    beside = {**found, "other": measured("other 3", 100.0000001, [0.02])}
    assert [row["x"] for row in table(beside)] == ["1", "", "2.00"]


@pytest.mark.parametrize(
    ("gap", "agrees"), [(0.9e-5, True), (-0.9e-5, True), (1.1e-5, False), (-1.1e-5, False), (math.nan, False)]
)
def test_agreement_is_one_in_a_hundred_thousand_on_both_sides(gap, agrees):
    assert (verdict(measured("p", 100 + gap, [1.0]), measured("b", 100.0, [1.0])) == "") is agrees


def test_the_worst_round_decides():
    both = Measured("p", [{"criterion": c, "whole": [1.0], "alone": []} for c in (100.0, 100.5)])
    assert verdict(both, measured("b", 100.0, [1.0])) == "stops 0.5 above"


def test_ratios_are_of_rounds():
    ours = measured("blupbayes 1", 0.0, [0.010, 0.010, 0.5], [0.020], [0.030])
    theirs = measured("peer 2", 0.0, [0.030], [0.030, 0.030], [0.015])
    assert theirs.medians("whole") == [0.03, 0.03, 0.015]
    assert ratio(theirs.medians("whole"), ours.medians("whole")) == "1.50 [0.500, 3.00]"
    once = measured("slow 3", 0.0, [6.0])
    assert ratio(once.medians("whole"), ours.medians("whole")) == "300 [200, 600]"
    assert losses({"d": {"blupbayes": ours, "peer": theirs}}) == ["- None, in this run."]
    fast = measured("fast 4", 0.0, [0.005], [0.005], [0.005])
    assert losses({"d": {"blupbayes": ours, "fast": fast}}) == [
        "- d: fast 4 takes 0.250 [0.167, 0.500] of our time."
    ]


def test_a_failure_is_said_and_not_timed():
    failed = Measured("peer 2", failed="not finished after 60 s")
    rows = table({"blupbayes": measured("blupbayes 1", 1.0, [0.01]), "peer": failed})
    assert rows[1]["formula and frame, ms"] == "**not finished after 60 s**" and rows[1]["x"] == ""


def test_numbers_have_three_digits():
    assert [three([v]) for v in (0.01234, 9.996, 99.94, 123.4)] == ["0.0123", "10.0", "99.9", "123"]
    assert spread([0.001, 0.003, 0.002]) == "2.00 [1.00, 3.00]" and spread([]) == ""


def test_a_child_that_fails_or_is_late_says_so():
    assert measure([sys.executable, "-c", "print('{\"a\": 1}')"])["a"] == 1
    broken = measured_child("import sys; print('{\"a\": 1}', flush=True); raise ValueError('x | y')")
    assert broken["failed"] == "fails (exit 1): ValueError: x / y" and broken["known"] == {"a": 1}
    late = measured_child("import time; print('{\"a\": 2}', flush=True); time.sleep(60)", 4.0)
    assert late == {"failed": "not finished after 4 s", "known": {"a": 2}}
    assert last_words("", 3) == "fails (exit 3): no message"


def measured_child(code: str, limit: float | None = None) -> dict[str, object]:
    """Run Python code as a child."""
    return measure([sys.executable, "-c", code], limit=limit)


def test_parts_of_the_results_are_replaced_one_by_one():
    text = replaced("# Results\n", "fit", block("fit", ["old"], ["then"]))
    text = replaced(text, "start", block("start", ["old"], ["then"]))
    text = replaced(text, "start", block("start", [r"C:\1"], ["now"]))
    text = replaced(text, "fit", block("fit", ["new"], ["now"]))
    assert "old" not in text and text.index("new") < text.index(r"C:\1") and text.count("<!-- fit -->") == 1


def test_the_command_names_no_path_of_the_machine():
    words = ["--only", "fit", "--peer-python", "/secret/bin/python", "--peer-python", "/other"]
    assert command(words) == "python benchmarks/run.py --only fit --peer-python PATH --peer-python PATH"


def test_slopes_are_those_of_powers_from_the_stated_size_on():
    growth = scale.Growth("rows", "one_factor", (), 0, 1000)
    sizes = {10: (7.0,), 1000: (1e-3 * 1000**1.5,) * 2 + (9e9,), 100_000: (1e-3 * 100_000**1.5,) * 2 + (9e9,)}
    rows = [
        {"growth": "rows", "rows": str(n), "reduce": str(v)} for n, values in sizes.items() for v in values
    ]  # neither the small size nor one slow run disturbs the slope
    assert scale.fitted(rows, growth, "reduce") == pytest.approx(1.5)
    assert math.isnan(scale.slope([5], [1.0]))


def test_the_latin_square_is_balanced():
    import numpy as np

    subj, item, X = latin_square()
    assert np.array_equal(X.T @ X, 1792 * np.eye(8))
    for group, size in ((subj, 32), (item, 56)):
        first = X[group == 5]
        assert np.array_equal(first.T @ first, size * np.eye(8))  # every condition equally often


def test_simulated_data_are_those_of_the_recipe():
    import numpy as np

    frame = simulate("maximal")
    assert list(frame.columns) == list(ALL["maximal"].columns) and len(frame) == 1790
    assert (frame["S"] * frame["P"] * frame["L"] == frame["SPL"]).all()
    assert frame.equals(simulate("maximal"))
    for arguments in ((1.2, 0.8, 0.2, 8), (1.5, 0.9, -0.1, 8)):
        assert np.linalg.eigvalsh(covariance(*arguments)).min() > 0.15


def test_the_scale_part_says_what_it_measured():
    growth = scale.Growth("levels", "one_factor", ((100, 10), (100, 20)), 1, 10, ("reduce", "fit"))
    base = {"growth": "levels", "rows": 100, "second": "", "integrate": "", "note": ""}
    rows = [
        base | {"levels": k, "reduce": 0.5, "fit": 0.1 * k, "MB reduce": 7.0, "MB fit": 8.0} for k in (10, 20)
    ]
    rows.append(
        base | {"levels": 40, "reduce": 0.5, "fit": "", "MB reduce": 7.0, "MB fit": "", "note": "late"}
    )
    rows.append(rows[-1] | {"growth": "rows", "levels": 20, "note": "of another table"})
    found = [row for _, row in read_tables(scale.table(json.loads(json.dumps(rows)), growth))]
    assert [row["fit, s"] for row in found] == ["1.00", "2.00", "", "1.00"]
    assert [row["note"] for row in found] == ["", "", "late", ""]
