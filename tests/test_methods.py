"""The methods section: every number in it is one of the answers, every citation is in the list."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.show.citations import REFERENCES
from blupbayes.versions import versions


def model(data, formula, **options):
    return bb.MixedModel(formula, bb.load_dataset(data), **options)


@pytest.fixture(scope="module")
def rail():
    return model("rail", "travel ~ 1 + (1 | Rail)").compare()


def drawn(m, divergences=3, library="nutpie", names=("beta", "sigma", "sd_Rail")):
    """A stand-in for draws by NUTS: what the text reads of them, and no sampling."""
    posterior = SimpleNamespace(
        attrs={"inference_library": library, "tuning_steps": 700}, data_vars=dict.fromkeys(names)
    )

    class Data(dict):
        attrs = {"parameterization": "noncentered", "random_seed": "17"}  # noqa: RUF012

    class Draws:
        estimator, design = "NUTS", m.design
        prior = bb.Prior(sd="HalfNormal(50)").resolve(m.design)
        data = Data(posterior=posterior)
        diagnostics = {  # noqa: RUF012
            "chains": 4, "draws": 900, "r_hat": 1.0042, "ess_bulk": 1234.4, "ess_tail": 987.3,
            "divergences": divergences, "messages": (),
        }  # fmt: skip

        def tidy(self, ci_prob=0.95):
            return m.fit().tidy(ci_prob)

    return Draws()


def test_rail(rail):
    text = rail.methods_text()
    exact = rail.answers["integrate"].diagnostics
    for piece in (
        "A linear mixed model was fitted to 18 observations of travel, from 6 levels of Rail, with a fixed intercept "
        "and random intercepts for Rail (formula: travel ~ 1 + (1 | Rail)).",
        "by maximum likelihood (ML) and restricted maximum likelihood (REML; Harville 1974), by Newton steps",
        "within 1e-12 deviance units of its optimum",
        "(BLUP; Henderson 1975; Robinson 1991)",
        "with a flat prior of the fixed effects (MME)",
        f"a lattice of {exact['points']} points; the stated error of posterior means and sds was at most "
        f"{exact['error']:.1g} posterior sds",
        "Priors were beta: flat; sigma ~ HalfStudentT(3, 23.645); sd_Rail[Intercept] ~ HalfStudentT(3, 23.645).",
        "Intervals are 95 % normal intervals with the variances held and equal-tailed posterior intervals.",
        f"blupbayes {versions()['blupbayes']}",
    ):  # fmt: skip
        assert piece in text
    assert "singular" not in text and "PyMC" not in text and "[@" not in text


def test_a_boundary_fit_is_said_once_for_both_methods():
    text = model("dyestuff2", "Yield ~ 1 + (1 | Batch)").compare().methods_text()
    piece = (
        "By ML and REML the estimate of sd(Batch) was 0, the boundary of the parameter space (a singular fit), and "
        "these effects were predicted as 0."
    )
    assert text.count(piece) == 1


def test_a_correlation_of_1_is_said():
    # Effects of a level that are exact multiples of one another: the covariance matrix has rank 1.
    x, effect = np.tile(np.arange(6.0), 8), np.repeat(np.linspace(-3, 3, 8), 6)
    noise = np.tile([0.1, -0.2, 0.1, 0.1, -0.2, 0.1], 8)  # orthogonal to 1 and x
    frame = {"y": 10 + effect * (1 + x) + noise, "x": x, "g": np.repeat(list("abcdefgh"), 6)}
    fit = bb.MixedModel("y ~ x + (x | g)", frame).fit()
    assert fit.is_boundary and fit.variances.sd("g").min() > 0
    text = bb.compare(fit).methods_text()
    assert (
        "By REML the estimated covariance matrix of the effects of g was singular: a correlation of -1 or 1"
        in text
    )


@pytest.mark.parametrize(
    ("data", "formula", "words"),
    [
        ("sleepstudy", "Reaction ~ Days + (Days | Subject)",
         "a fixed effect of Days and random intercepts and effects of Days for Subject (correlated)"),
        ("sleepstudy", "Reaction ~ Days + (Days || Subject)", "effects of Days for Subject (uncorrelated)"),
        ("sleepstudy", "Reaction ~ 0 + Days + (0 + Days | Subject)",
         "with a fixed effect of Days and random effects of Days for Subject (formula"),
        ("sleepstudy", "Reaction ~ 0 + (1 | Subject)", "with no fixed effects and random intercepts for Subject"),
        ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)",
         "from 24 levels of plate and 6 levels of sample, with a fixed intercept, random intercepts for plate and "
         "random intercepts for sample"),
        ("pastes", "strength ~ 1 + (1 | batch/cask)", "intercepts for batch and random intercepts for batch:cask"),
    ],
)  # fmt: skip
def test_models_in_words(data, formula, words):
    assert words in bb.compare(model(data, formula).fit()).methods_text()


def test_weights_known_sigma_and_missing_rows():
    data = bb.load_dataset("eight_schools")
    m = bb.MixedModel("y ~ 1 + (1 | school)", data, weights=1 / data["se"] ** 2, sigma=1)
    text = m.compare().methods_text()
    assert "Observations had precision weights." in text
    assert (
        "The residual sd of an observation with weight 1 was known (1)." in text and "sigma: known, 1" in text
    )
    rail = bb.load_dataset("rail").astype({"travel": float})
    rail.loc[0, "travel"] = float("nan")
    text = bb.compare(bb.MixedModel("travel ~ 1 + (1 | Rail)", rail, missing="drop").fit()).methods_text()
    assert "17 observations (1 row with missing values left out)" in text


def test_draws_with_their_diagnostics():
    m = model("rail", "travel ~ 1 + (1 | Rail)")
    found = bb.compare(m.fit(), drawn(m))
    text = found.methods_text()
    for piece in (
        f"the No-U-Turn sampler (Hoffman and Gelman 2014) of PyMC {versions()['pymc']} (Abril-Pla et al. 2023) through "
        f"nutpie {versions()['nutpie']} (PyMC Developers): 4 chains of 900 draws each after 700 of warm-up, "
        "parametrisation noncentered, seed 17.",
        "the largest R-hat was 1.004 and the smallest effective sample sizes were 1234 (bulk) and 987 (tail); 3 "
        "transitions diverged.",
        "sd_Rail[Intercept] ~ HalfNormal(50)",
    ):
        assert piece in text
    assert found.verdict().startswith("NUTS cannot be relied on yet (3 divergences).")
    assert set(re.findall(r"@\w+\{(\w+),", found.cite())) == {
        "harville1974", "henderson1975", "robinson1991", "hoffman2014", "pymc2023", "nutpie", "vehtari2021",
        "arviz2026", "blupbayes",
    }  # fmt: skip
    plain = bb.compare(drawn(m, 1, "pymc", ("sigma", "nu_Rail")))
    assert "nutpie" not in plain.methods_text() + plain.cite()
    assert "1 transition diverged" in plain.methods_text()
    assert "The random effects of Rail had Student t distributions" in plain.methods_text()


def test_degrees_of_freedom_are_cited_where_they_are_used(rail):
    assert "Kenward" not in rail.methods_text() + rail.cite()
    assert "were Kenward and Roger's (Kenward and Roger 1997)." in rail.methods_text(df="kenward-roger")
    assert "kenward1997" in rail.cite(df="kenward-roger") and "satterthwaite1946" in rail.cite(
        df="satterthwaite"
    )


def test_apa_cites_what_it_lists_and_lists_what_it_cites(rail):
    body, listed = rail.methods_text("apa").split("\n\nReferences\n\n")
    assert "(REML; Harville, 1974)" in body and "(The blupbayes developers, n.d.)" in body
    lines = listed.splitlines()
    assert lines == sorted(lines, key=str.casefold) and len(lines) == 4
    assert lines == rail.cite("text").splitlines()
    for line in lines:
        family, year = re.match(r"([\w ]+?)[,.].*?\((\d{4}|n\.d\.)\)", line).groups()
        assert f"{family}, {year}" in body


def test_known_variances_and_an_answer_from_elsewhere():
    m = model("rail", "travel ~ 1 + (1 | Rail)")
    text = bb.compare(m.solve({"Rail": 24.8, "residual": 4}, kappa=0.01)).methods_text()
    assert "prior precision 0.01 of every fixed effect (MME)" in text and "estimated by" not in text

    class Elsewhere:
        estimator = "lme4"

        def tidy(self, ci_prob=0.95):
            return m.fit().tidy(ci_prob)

    text = bb.compare(Elsewhere()).methods_text()
    assert text.startswith("The answer 'lme4' was brought in from elsewhere.")


def test_a_fit_that_did_not_converge_is_said():
    m = model("rail", "travel ~ 1 + (1 | Rail)")
    from dataclasses import replace

    fit = m.fit()
    stopped = replace(fit.estimate, certificate=replace(fit.certificate, converged=False))
    assert "the search of REML did not converge" in bb.compare(replace(fit, estimate=stopped)).methods_text()


@pytest.mark.parametrize("options", [{"style": "mla"}, {"df": "kr"}])
def test_unknown_styles_are_refused(rail, options):
    with pytest.raises(bb.ComparisonError, match="is not one of"):
        rail.methods_text(**options)


def test_unknown_formats_are_refused(rail):
    with pytest.raises(bb.ComparisonError, match="'bibtex', 'text'"):
        rail.cite("ris")


def test_every_entry_is_complete():
    for r in REFERENCES.values():
        assert r.title and r.authors
        if r.journal:
            assert r.year and r.volume and r.pages
            assert re.fullmatch(r"\d{4}", r.year) and (not r.doi or re.fullmatch(r"10\.\d{4,}/\S+", r.doi))


def test_bibtex_is_well_formed(rail):
    text = rail.cite()
    assert text.count("{") == text.count("}") and "doi = {10.2307/2529430}" in text
    assert "author = {{The blupbayes developers}}" in text


def test_the_draws_of_a_real_sampler():
    m = model("rail", "travel ~ 1 + (1 | Rail)")
    import logging

    logging.getLogger("blupbayes").setLevel(logging.ERROR)
    post = m.sample(
        draws=20, tune=30, chains=2, parameterization="collapsed", progressbar=False, random_seed=1
    )
    text = bb.compare(post).methods_text()
    assert "2 chains of 20 draws each after 30 of warm-up, parametrisation collapsed, seed 1." in text
    assert "had Student t" not in text
