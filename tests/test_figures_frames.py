"""Ledger bars, prior sensitivity and coverage: drawn from frames alone."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from blupbayes.errors import ComparisonError
from blupbayes.show.figures.coverage import coverage_lines
from blupbayes.show.figures.ledger import ledger_bars
from blupbayes.show.figures.sensitivity import prior_sensitivity
from figure_checks import check, compared, texts


@pytest.mark.parametrize("of", ["mean", "variance"])
def test_bars_add_up_to_the_total(of):
    cmp = compared("dyestuff")
    result = cmp.plot_ledger(of)
    ledger = cmp.ledger(of).query("component == 'b'").set_index("level")
    total = pd.Series(0.0, index=np.arange(6))
    for bar in (b for box in result.axes[0].containers for b in box):
        total[round(bar.get_y() + bar.get_height() / 2)] += bar.get_width()
    diamonds = next(line for line in result.axes[0].get_lines() if line.get_marker() == "D")
    assert diamonds.get_xdata() == pytest.approx(total.to_numpy())
    assert sorted(total) == pytest.approx(sorted(ledger["difference"]))


def test_bars_of_one_sign_stand_end_to_end():
    parts = {"theta": [1.0], "curvature": [2.0], "kappa": [-0.5], "monte_carlo": [-0.25]}
    keys = {"component": "b", "group": "g", "level": ["a"], "term": "Intercept", "estimator": "NUTS"}
    frame = pd.DataFrame({**keys, "difference": [2.25], **parts})
    result = ledger_bars(frame, "g", "Intercept")
    check(result)
    spans = [(b.get_x(), b.get_x() + b.get_width()) for box in result.axes[0].containers for b in box]
    assert spans == [(0.0, 1.0), (1.0, 3.0), (0.0, -0.5), (-0.5, -0.75)]
    assert "of theta 1.00" in result.alt.replace("1.000", "1.00") and "curvature, 2" in result.alt


def test_parts_that_are_zero_are_said_and_not_drawn():
    result = compared("dyestuff").plot_ledger()
    assert "Nowhere different from 0: kappa and Monte Carlo." in result.caption
    assert "kappa" not in texts(result.fig)


def sensitivity() -> pd.DataFrame:
    """Table 3b of ux.md: Dyestuff under four priors."""
    numbers = [
        ("REML plug-in", 0.783, 1584.2, 1482.5, 42.0, "reference"),
        ("flat", 0.778, 1583.9, 1482.8, 50.5, "same"),
        ("HalfNormal(10)", 0.218, 1543.3, 1515.0, 12.5, "prior-driven"),
        ("InverseGamma(.001, .001) on variance", 0.568, 1568.7, 1494.8, 35.0, "spike at 0"),
    ]
    rows = []
    for prior, weight, e, f, sd, verdict in numbers:
        own = {"prior": prior, "group": "Batch", "term": "Intercept", "verdict": verdict}
        found = [
            ("weight", "E", weight),
            ("weight", "F", weight),
            ("group_mean", "E", e),
            ("group_mean", "F", f),
        ]
        for component, level, value in [*found, ("sd", "", sd)]:
            width = {"weight": 0.2, "group_mean": 40.0, "sd": 10.0}[component]
            rows.append(own | {"component": component, "level": level, "estimate": value,
                               "ci_lb": value - width, "ci_ub": value + width})  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("width", ["84mm", "174mm", "slide"])
def test_prior_sensitivity(width):
    band = pd.DataFrame({"level": ["E", "F"], "low": [1572.0, 1470.5], "high": [1596.0, 1494.5]})
    result = prior_sensitivity(sensitivity(), "Batch", "Intercept", band=band, width=width)
    check(result)
    assert len(result.axes) == 3 and {"prior-driven", "spike at 0", "same"} <= set(texts(result.fig))
    assert "HalfNormal(10): prior-driven" in result.alt and "from 0.2180 to 0.7830" in result.alt
    first = next(line for line in result.axes[0].get_lines() if len(line.get_xdata()) == 4)
    assert first.get_xdata().tolist() == [0.568, 0.218, 0.778, 0.783]  # the reference is the highest row


def test_sensitivity_refuses_what_it_cannot_draw():
    with pytest.raises(ComparisonError, match="no row"):
        prior_sensitivity(sensitivity(), "Rail", "Intercept")
    with pytest.raises(ComparisonError, match="levels="):
        prior_sensitivity(sensitivity(), "Batch", "Intercept", levels=["Z"])


def coverage() -> pd.DataFrame:
    """The table of ux.md, section 0."""
    numbers = {
        "BLUP ± z cond_sd": (0.488, 0.694, 0.83, 0.92),
        "BLUP ± z root of PEV": (0.883, 0.85, 0.886, 0.923),
        "posterior": (0.968, 0.952, 0.946, 0.949),
        "raw mean": (0.95, 0.949, 0.951, 0.95),
    }
    rows = [
        {
            "method": name,
            "icc": icc,
            "coverage": c,
            "mc_se": np.sqrt(c * (1 - c) / 2000),
            "width": 1 + c,
            "n": 2000,
        }
        for name, values in numbers.items()
        for icc, c in zip((0.05, 0.2, 0.42, 0.8), values, strict=True)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("width", ["84mm", "174mm"])
def test_coverage(width):
    frame = coverage()
    result = coverage_lines(frame, width=width)
    check(result)
    assert "n = 2000 replicates" in texts(result.fig) and "2000 replicates" in result.caption
    assert "BLUP ± z cond_sd at 0.05, with 0.488" in result.alt
    bars = [s for c in result.axes[0].collections if isinstance(c, LineCollection) for s in c.get_segments()]
    lengths = sorted(float(segment[1, 1] - segment[0, 1]) for segment in bars)
    assert lengths == pytest.approx(sorted(4 * frame["mc_se"]))


def test_coverage_over_the_number_of_groups():
    result = coverage_lines(coverage().rename(columns={"icc": "n_groups"}), nominal=0.9)
    assert "number of groups" in texts(result.fig) and "90 %" in result.caption
    with pytest.raises(ComparisonError, match="icc or n_groups"):
        coverage_lines(coverage().drop(columns="icc"))
