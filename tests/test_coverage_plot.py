"""The figure of coverage: one truth or several, whichever component; what cannot be drawn is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

import blupbayes as bb
from blupbayes.errors import ComparisonError
from figure_checks import check, texts

METHODS = ("raw", "blup cond_sd", "posterior")


def table(start: float, ci_prob: float | None = 0.95) -> pd.DataFrame:
    """As bb.coverage gives it: group means, and sds by other methods."""
    rows = [(m, "group_mean", "g", "Intercept", start + 0.1 * k) for k, m in enumerate(METHODS)]
    rows += [("wald", "sd", "g", "Intercept", 0.6), ("wald", "sd", "residual", "", 0.61)]
    frame = pd.DataFrame(rows, columns=["method", "component", "group", "term", "coverage"])
    frame = frame.assign(mc_se=0.01, width=2 * frame["coverage"], n=500)
    if ci_prob is not None:
        frame.attrs["truth"] = {"variances": f"{start}", "ci_prob": ci_prob}
    return frame


@pytest.fixture
def several():
    return {0.2: table(0.5), 0.8: table(0.7)}


def drawn_bars(ax):
    return [s for c in ax.collections if isinstance(c, LineCollection) for s in c.get_segments()]


@pytest.mark.parametrize("width", ["84mm", "174mm", "slide"])
def test_one_table_is_a_row_per_method_from_the_top(width):
    result = bb.plot_coverage(table(0.5), width=width)
    check(result)
    left = result.axes[0]
    places = {t.get_text(): y for t, y in zip(left.get_yticklabels(), left.get_yticks(), strict=True)}
    assert sorted(places, key=places.get) == list(METHODS)[::-1]
    bars = {float(s[0, 1]): (s[0, 0], s[1, 0]) for s in drawn_bars(left) if len({*s[:, 1]}) == 1}
    for k, name in enumerate(METHODS):  # +- 2 mc_se at the row of its own name
        assert bars[places[name]] == pytest.approx((0.5 + 0.1 * k - 0.02, 0.5 + 0.1 * k + 0.02))
    widths = {float(line.get_ydata()[0]): float(line.get_xdata()[0]) for line in result.axes[1].lines}
    assert widths[places["raw"]] == pytest.approx(1.0)
    assert "raw 0.500" in result.alt and result.alt.endswith("Farthest from nominal is raw.")
    assert "500 replicates" in result.caption and "95 %" in result.caption


def test_a_dict_is_a_line_per_method_at_its_keys(several):
    result = bb.plot_coverage(several, along="icc")
    check(result)
    assert "intraclass correlation" in texts(result.fig)
    got = result.data.set_index(["icc", "method"])["coverage"]
    assert got[0.2, "raw"] == 0.5 and got[0.8, "posterior"] == pytest.approx(0.9)
    assert set(got.index.get_level_values(1)) == set(METHODS)
    assert all("icc" not in t.columns for t in several.values())  # the user's tables stay as they were


def test_a_frame_with_a_column_is_the_same_as_a_dict(several):
    glued = pd.concat([t.assign(icc=value) for value, t in several.items()])
    result = bb.plot_coverage(glued, ci_prob=0.95)
    pd.testing.assert_frame_equal(result.data, bb.plot_coverage(several, along="icc").data)
    renamed = glued.rename(columns={"icc": "rows per level"})
    assert "rows per level" in texts(bb.plot_coverage(renamed, "rows per level", ci_prob=0.95).fig)


def test_another_component_and_group(several):
    result = bb.plot_coverage(several, along="icc", component="sd", group="residual")
    assert result.data["coverage"].tolist() == [0.61, 0.61]
    assert bb.plot_coverage(table(0.5), component="sd").data["coverage"].tolist() == [0.6]


def test_the_line_is_at_the_level_that_the_tables_know():
    assert "90 %" in bb.plot_coverage(table(0.5, 0.9)).caption
    assert "80 %" in bb.plot_coverage(table(0.5, None), ci_prob=0.8).caption
    with pytest.raises(ComparisonError, match=r"ci_prob=0\.95"):
        bb.plot_coverage(table(0.5, None))
    with pytest.raises(ComparisonError, match="not one"):
        bb.plot_coverage({1: table(0.5, 0.9), 2: table(0.5, 0.8)}, along="icc")


@pytest.mark.parametrize(
    ("given", "along", "options", "words"),
    [
        ({0.2: table(0.5)}, None, {}, "along="),
        ({}, "icc", {"ci_prob": 0.95}, "along="),
        (pd.DataFrame({"method": ["raw"]}), None, {"ci_prob": 0.95}, "no component"),
        (3, None, {"ci_prob": 0.95}, "is a int"),
        (table(0.5), "icc", {}, "no column"),
        (table(0.5), None, {"component": "b"}, "component='b'"),
        (table(0.5), None, {"group": "h"}, "group='h'"),
        (table(0.5).iloc[:0], None, {"ci_prob": 0.95}, "no rows"),
        (pd.concat([table(0.5), table(0.6)]), None, {"ci_prob": 0.95}, "several rows of 'raw'"),
        ({"low": table(0.5)}, "icc", {}, "numbers"),
    ],
)
def test_what_cannot_be_drawn_is_refused(given, along, options, words):
    with pytest.raises(ComparisonError, match=words):
        bb.plot_coverage(given, along, **options)


def test_bars_end_at_one():
    whole = table(0.8).assign(mc_se=0.02)  # the posterior's share is 1
    for result in (bb.plot_coverage(whole), bb.plot_coverage({1: whole, 2: whole}, along="n_groups")):
        ends = np.concatenate([s for s in drawn_bars(result.axes[0])])
        assert np.sum(np.isclose(ends, 1.04)) == 0 and np.sum(np.isclose(ends, 0.96)) > 0


def test_tables_of_coverage_are_drawn_as_they_come():
    frame = pd.DataFrame({"y": np.arange(12.0) % 5, "g": np.repeat(list("abc"), 4)})
    model = bb.MixedModel("y ~ 1 + (1 | g)", frame)
    truth = {"g": 1.0, "residual": 1.0}
    found = bb.coverage(model, truth, methods=["raw"], n=20, ci_prob=0.8, random_seed=1, progressbar=False)
    result = bb.plot_coverage(found)
    assert "80 %" in result.caption and result.data["coverage"].tolist() == found["coverage"].tolist()
