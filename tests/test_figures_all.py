"""Every figure on every kind of data: nothing overlaps, is cut off, small, pale, or unsaid."""

import pytest

import blupbayes as bb
from blupbayes.errors import ComparisonError
from figure_checks import check, compared, texts

CASES = [
    *[("rail", plot, "174mm") for plot in ("shrinkage", "kappa_path", "ledger")],
    ("rail", "kappa_path", "84mm"),
    *[("bad", plot, "84mm") for plot in ("shrinkage", "pooling_path", "densities", "forest", "ledger")],
    *[("dyestuff2", plot, "174mm") for plot in ("shrinkage", "densities", "variances")],
    *[("sleepstudy", plot, "174mm") for plot in ("shrinkage", "densities", "forest")],
    *[
        ("counties", plot, "174mm")
        for plot in ("shrinkage", "kappa_path", "pooling_path", "forest", "ledger")
    ],
    ("rail", "densities", "slide"),
    ("sleepstudy", "variances", "84mm"),
    ("counties", "shrinkage", "slide"),
    ("penicillin", "forest", "174mm"),
    *[("schools", "sd_path", width) for width in ("174mm", "84mm", "slide")],
    *[(data, "sd_path", "84mm") for data in ("bad", "sleepstudy", "counties")],
]


@pytest.mark.parametrize(("data", "plot", "width"), CASES)
def test_a_figure_can_be_read(data, plot, width):
    result = getattr(compared(data), f"plot_{plot}")(width=width)
    assert round(result.fig.get_figwidth() * 25.4) == {"84mm": 84, "174mm": 174, "slide": 254}[width]
    assert result.fig.get_figheight() * 25.4 <= 230.1
    check(result)


def test_rows_of_one_coefficient_of_two():
    result = compared("sleepstudy").plot_shrinkage(term="Days", sort="shift")
    check(result)
    assert "Days" in texts(result.fig)


def test_a_second_group():
    result = compared("penicillin").plot_shrinkage(group="sample", sort="n")
    check(result)
    assert {"A", "F"} <= set(texts(result.fig)) and "six levels of sample" in result.alt
    assert "effects of other groups left in" in result.caption


def test_a_slope_without_a_fixed_effect():
    data = bb.load_dataset("sleepstudy")
    cmp = bb.compare(bb.MixedModel("Reaction ~ 1 + (0 + Days | Subject)", data).fit())
    assert set(cmp.plot_forest().data["component"]) == {"b"}
    shrunken = cmp.plot_shrinkage()
    check(shrunken)
    assert "fixed effect ±" not in shrunken.caption  # there is none to shrink to but 0


def test_names_are_text_and_no_mathematics():
    found = texts(compared("bad").plot_forest(width="174mm").fig)
    assert r"50 % \$x_1\$ & \$y\$" in found  # as matplotlib is told to draw a $
    assert "L" * 12 + "…" + "L" * 11 in found and "<b>A&B</b>" in found
    assert any("[U+1F682]" in text and "\U0001f600" in text for text in found)  # what the font has is drawn


def test_the_data_have_whole_names():
    assert "L" * 200 in set(compared("bad").plot_forest().data["level"])


def test_at_most_so_many_levels():
    result = compared("counties").plot_forest(max_levels=10)
    assert result.data["level"].nunique() == 10 and "10 of 85 levels" in result.caption


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.plot_shrinkage(width="10cm"), "width='10cm'"),
        (lambda c: c.plot_shrinkage(sort="size"), "sort='size'"),
        (lambda c: c.plot_shrinkage(group="Rial"), "group='Rial'.*Rail"),
        (lambda c: c.plot_shrinkage(term="x"), "term='x'.*Intercept"),
        (lambda c: c.plot_forest("colour"), "colour"),
        (lambda c: c.plot_densities(max_levels=0), "max_levels=0"),
    ],
)
def test_what_does_not_exist_is_refused(call, message):
    with pytest.raises(ComparisonError, match=message):
        call(compared("rail"))


def test_an_answer_that_is_missing_is_named():
    fits = bb.compare(compared("rail").answers["REML"])
    for call in (fits.plot_densities, fits.plot_variances, fits.plot_sd_path):
        with pytest.raises(ComparisonError, match=r"Add model.integrate\(\)"):
            call()
    with pytest.raises(ComparisonError, match=r"Add model.integrate\(\)"):
        fits.plot_ledger()


def test_a_comparison_without_data_is_refused():
    class Foreign:
        estimator = "lme4"

        def tidy(self, ci_prob=0.95):
            return compared("rail").answers["REML"].tidy(ci_prob)

    alone = bb.compare(Foreign())
    with pytest.raises(ComparisonError, match=r"Add model.fit\(\)"):
        alone.plot_shrinkage()
    check(alone.plot_forest())  # needs nothing but the table
