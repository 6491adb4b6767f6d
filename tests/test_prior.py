"""Prior: what is stated is kept, what is not is filled in with the units of the data, and what is used is printed."""

import pickle

import numpy as np
import pandas as pd
import pytest

from blupbayes.errors import PriorError
from blupbayes.model.design import build
from blupbayes.model.distributions import read_distribution
from blupbayes.model.joint import Decov, InverseWishart, Wishart
from blupbayes.model.prior import Prior

FORMULA = "y ~ x + (x + treated | g) + (1 | a:b)"


def frame(rng=None, n=60):
    """Data with a continuous column, a 0/1 column and two grouping factors."""
    rng = rng or np.random.default_rng(3)
    return pd.DataFrame(
        {
            "y": rng.normal(10, 4, n),
            "x": rng.normal(5, 2, n),
            "treated": np.tile([0.0, 1.0, 1.0], n // 3),
            "g": np.arange(n) % 6,
            "a": np.arange(n) % 2,
            "b": np.arange(n) // 2 % 4,
        }
    )


def scales(prior):
    """Scale of every prior of an sd, as one list."""
    return [d.args[-1] for g in prior.groups for d in g.sds]


def test_default_scales_are_those_of_the_docstring():
    data = frame()
    prior = Prior().resolve(build(FORMULA, data))
    s_y = data["y"].std()
    assert prior.kappa == 0 and prior.corr == 1
    assert prior.residual.name == "HalfStudentT"
    # np.std and pandas differ in the order of summation only
    np.testing.assert_allclose(prior.residual.args, (3, s_y), rtol=1e-12)
    np.testing.assert_allclose(scales(prior), [s_y, s_y / data["x"].std(), s_y, s_y], rtol=1e-12)
    assert [d.name for g in prior.groups for d in g.sds] == ["HalfStudentT"] * 4


def test_defaults_move_with_the_units_of_y_and_x():
    data = frame()
    other = data.assign(y=1e-3 * data["y"] + 7, x=60 * data["x"] - 1)
    before, after = (Prior().resolve(build(FORMULA, d)) for d in (data, other))
    factor = np.array([1e-3, 1e-3 / 60, 1e-3, 1e-3])
    np.testing.assert_allclose(scales(after), factor * scales(before), rtol=1e-12)
    np.testing.assert_allclose(after.residual.args[1], 1e-3 * before.residual.args[1], rtol=1e-12)


def test_offset_and_weights_set_the_scale_of_sigma():
    data = frame()
    offset, weights = 3 * data["x"], np.arange(1.0, 61.0)
    prior = Prior().resolve(build(FORMULA, data, offset=offset, weights=weights))
    s = (data["y"] - offset).std()
    np.testing.assert_allclose(prior.residual.args[1], s * np.sqrt(30.5), rtol=1e-12)
    np.testing.assert_allclose(prior.groups[0].sds[0].args[1], s, rtol=1e-12)
    assert "median weight" in str(prior)


def test_stated_priors_are_used_and_the_rest_is_default():
    given = Prior(
        residual="HalfCauchy(5)",
        sd={"g": {"x": "Exponential(2)"}, "a:b": {"dist": "Gamma", "alpha": 2, "beta": 0.1}},
    )
    prior = given.resolve(build(FORMULA, frame()))
    texts = [[str(d) for d in g.sds] for g in prior.groups]
    assert texts[0][1] == "Exponential(2)" and texts[1] == ["Gamma(2, 0.1)"]
    assert texts[0][0].startswith("HalfStudentT(3, ") and str(prior.residual) == "HalfCauchy(5)"
    assert [g.defaults for g in prior.groups] == [(True, False, True), (False,)]


def test_one_prior_for_every_sd():
    prior = Prior(sd="HalfNormal(2)").resolve(build(FORMULA, frame()))
    assert {str(d) for g in prior.groups for d in g.sds} == {"HalfNormal(2)"}


def test_correlated_blocks_are_the_full_terms():
    design = build("y ~ x + (1 + x | g) + (0 + treated | g) + (x || a)", frame())
    g, a = Prior().resolve(design).groups
    assert g.blocks == ((0, 2),) and g.pairs == ((1, 0),)
    assert a.blocks == () and a.pairs == ()


def test_mean_and_precision_of_beta():
    design = build(FORMULA, frame())
    P = [[2.0, 1.0], [1.0, 3.0]]
    np.testing.assert_array_equal(Prior().resolve(design).precision, np.eye(2))
    np.testing.assert_array_equal(Prior(kappa=1, precision=P).resolve(design).precision, P)
    for mean in ({"x": 4}, pd.Series({"x": 4.0}), [0, 4], np.array([0.0, 4.0])):
        np.testing.assert_array_equal(Prior(kappa=1, mean=mean).resolve(design).mean, [0, 4])
    np.testing.assert_array_equal(Prior(mean=2).resolve(design).mean, [2, 2])


def test_known_sigma_has_no_prior():
    design = build("y ~ x + (1 | g)", frame(), sigma=2.0)
    prior = Prior().resolve(design)
    assert prior.residual is None and prior.residual_scale == 2.0
    assert "known, 2" in str(prior)
    with pytest.raises(PriorError, match="known"):
        Prior(residual="HalfNormal(1)").resolve(design)


def test_every_line_of_the_prior_used_is_printed():
    design = build("y ~ x + (x | g)", frame())
    used = Prior(kappa=0.25, mean={"x": 4}, residual="HalfCauchy(5)", corr=2).resolve(design)
    lines = [line.split("  ") for line in str(used).splitlines()[1:]]
    words = [[w.strip() for w in line if w.strip()] for line in lines]
    s_y, s_x = design.y.std(ddof=1), design.X[:, 1].std(ddof=1)
    assert [w[:2] for w in words] == [
        ["beta[Intercept]", "Normal(0, 2)"],
        ["beta[x]", "Normal(4, 2)"],
        ["sigma", "HalfCauchy(5)"],
        ["sd_g[Intercept]", f"HalfStudentT(3, {s_y:.6g})"],
        ["sd_g[x]", f"HalfStudentT(3, {s_y / s_x:.6g})"],
        ["corr_g[Intercept,x]", "LKJ(2)"],
    ]
    assert "flat" in str(Prior().resolve(design)).splitlines()[1]
    assert "default" in str(used).splitlines()[4] and "default" not in str(used).splitlines()[3]


def test_marginal_sds_of_beta_are_printed_for_a_full_precision():
    design = build("y ~ x + (x | g)", frame())
    P = np.array([[2.0, 1.0], [1.0, 3.0]])
    sd = np.sqrt(np.diag(np.linalg.inv(4 * P)))
    text = str(Prior(kappa=4, precision=P).resolve(design))
    assert f"Normal(0, {sd[0]:.6g})" in text and f"Normal(0, {sd[1]:.6g})" in text and "through P" in text
    assert "fixed at 4" in str(Prior(kappa=np.inf, mean=[0, 4]).resolve(design))


def test_a_semi_definite_precision_is_flat_in_the_other_directions():
    design = build("y ~ x + treated + (x | g)", frame())
    c = np.array([1.0, 5.0, 2 / 3])
    one = Prior(kappa=1, mean={"Intercept": 9}, precision=np.outer(c, c) / 4).resolve(design)
    np.testing.assert_allclose(one.root.T @ one.root, one.precision, rtol=1e-13)
    assert one.root.shape == (1, 3) and one.flat.shape == (3, 2)
    np.testing.assert_allclose(one.precision @ one.flat, 0, atol=1e-14)
    assert [row[:2] for row in one.lines()[:2]] == [
        ("beta[Intercept] + 5 beta[x] + 0.666667 beta[treated]", "Normal(9, 2)"),
        ("beta", "flat in every other direction"),
    ]
    two = Prior(kappa=4, precision=np.diag([0, 1e-12, 1e6])).resolve(design)  # units that differ by 1e9
    assert [row[1] for row in two.lines()[:3]] == ["flat", "Normal(0, 500000)", "Normal(0, 0.0005)"]
    assert two.root.shape == (2, 3)
    assert Prior().resolve(design).flat.shape == (3, 3)
    assert Prior(kappa=1).resolve(design).flat.shape == (3, 0)
    assert Prior(kappa=1).resolve(build("y ~ 0 + (1 | g)", frame())).flat.shape == (0, 0)


def test_rounding_in_a_product_does_not_make_a_precision_asymmetric_or_indefinite():
    A = np.eye(3) + np.outer([1, 0, 0], [0, 1995.3, -2e-3])
    P = A.T @ np.diag([1e-4, 0, 3e5]) @ A
    P[0, 1] *= 1 + 1e-15
    stored = np.array(Prior(kappa=1, precision=P).precision)
    np.testing.assert_array_equal(stored, stored.T)


def test_student_t_prior_of_beta_is_stored_and_printed():
    design = build("y ~ x + (x | g)", frame())
    resolved = Prior(kappa=0.25, nu=3, mean=[1, 2]).resolve(design)
    assert resolved.nu == 3.0 and type(resolved.nu) is float
    assert [row[1] for row in resolved.lines()[:2]] == ["StudentT(3, 1, 2)", "StudentT(3, 2, 2)"]
    assert Prior(kappa=1).resolve(design).nu == np.inf


def test_joint_priors_go_to_every_term_and_are_printed():
    design = build("y ~ x + (x + treated | g) + (1 | a:b)", frame())
    prior = Prior(covariance={"g": Decov(2)}, sd="HalfNormal(2)", corr=3).resolve(design)
    g, ab = prior.groups
    assert g.joint == Decov(2) and g.sds == () and g.terms == ((0, 3),) and g.eta == 1.0
    assert ab.joint is None and str(ab.sds[0]) == "HalfNormal(2)" and ab.eta == 3.0
    names = [row[0] for row in prior.lines()]
    assert names == ["beta", "sigma", "cov_g[Intercept,x,treated]", "sd_a:b[Intercept]"]
    assert "LKJ(2)" in prior.lines()[2][2] and "LKJ(2)" in str(prior)
    everywhere = Prior(covariance=Decov()).resolve(design)
    assert all(group.joint == Decov() for group in everywhere.groups)
    assert str(Prior(covariance={"g": Wishart()})) == "Prior(covariance={'g': Wishart()})"


def test_the_joint_log_density_of_a_group_is_the_sum_over_its_terms():
    design = build("y ~ x + (1 + x | g) + (0 + treated | g)", frame())
    (g,) = Prior(covariance=InverseWishart(5, 2)).resolve(design).groups
    assert g.terms == ((0, 2), (2, 3))
    r, sigma, R = np.array([[0.5, 2.0, 1.5]]), np.array([0.7, 3.0]), np.eye(3)[None].copy()
    R[0, 0, 1] = R[0, 1, 0] = 0.4
    parts = [
        g.joint.log_density(r[:, :2], sigma, R[:, :2, :2]),
        g.joint.log_density(r[:, 2:], sigma, R[:, 2:, 2:]),
    ]
    actual = g.joint_log_density(r, sigma, R)
    assert actual.shape == (1, 2)
    np.testing.assert_allclose(actual, parts[0] + parts[1], rtol=1e-15)
    (diagonal,) = Prior(covariance=Decov()).resolve(build("y ~ x + (x || g)", frame())).groups
    assert diagonal.terms == ((0, 1), (1, 2))


def test_a_label_heads_the_print():
    design = build("y ~ x + (x | g)", frame())
    assert str(Prior(label="from a paper").resolve(design)).startswith(
        "Prior, in the units of the data: from a paper\n"
    )


def test_priors_compare_and_pickle():
    prior = Prior(kappa=1, mean={"x": 1}, precision=np.eye(2), sd={"g": "HalfNormal(3)"}, residual="Flat")
    assert pickle.loads(pickle.dumps(prior)) == prior
    assert prior != Prior()
    assert str(Prior()) == "Prior()"
    resolved = prior.resolve(build("y ~ x + (x | g)", frame()))
    assert str(pickle.loads(pickle.dumps(resolved))) == str(resolved)


def test_a_flat_prior_needs_enough_levels():
    # the likelihood falls off as sd^-(J - 1) with a flat mean, as sd^-J with a proper one
    for formula, prior, least in (
        ("y ~ 1 + (1 | g)", Prior(sd="Flat"), 3),
        ("y ~ 0 + x + (1 | g)", Prior(sd="Flat"), 2),
        ("y ~ 1 + (1 | g)", Prior(sd="Flat", kappa=1), 2),
        ("y ~ 1 + (1 | g)", Prior(sd="Flat on variance"), 4),
    ):
        enough, few = (frame().assign(g=np.arange(60) % J) for J in (least, least - 1))
        prior.resolve(build(formula, enough))
        if least > 2:  # a grouping factor has two levels at least
            with pytest.raises(PriorError, match=f"at least {least} levels"):
                prior.resolve(build(formula, few))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kappa": -1}, "0 (flat) to inf"),
        ({"kappa": np.nan}, "0 (flat) to inf"),
        ({"kappa": "big"}, "0 (flat) to inf"),
        ({"corr": 0}, "above 0"),
        ({"corr": np.inf}, "above 0"),
        ({"mean": [1, np.nan]}, "finite"),
        ({"mean": "zero"}, "one number per column"),
        ({"mean": {"x": "a"}}, "one number per column"),
        ({"precision": [[1, 2], [2, 1]]}, "positive semi-definite"),
        ({"precision": [[1, 0], [0, -1e-6]]}, "positive semi-definite"),
        ({"precision": [[0, 0], [0, 0]]}, "kappa = 0"),
        ({"precision": [[1, np.inf], [np.inf, 1]]}, "finite"),
        ({"nu": 0}, "above 0"),
        ({"nu": np.nan}, "above 0"),
        ({"precision": [[1, 0], [1, 1]]}, "symmetric"),
        ({"precision": [1, 2]}, "symmetric"),
        ({"sd": {"g": {"x": "HalfNormal(0)"}}}, "above 0"),
        ({"sd": 3}, "HalfNormal(3)"),
        ({"residual": "nothing"}, "no prior distribution"),
        ({"covariance": {"g": 1}}, "Decov()"),
        ({"covariance": "Decov"}, "Decov()"),
    ],
)
def test_refusals(options, says):
    with pytest.raises(PriorError) as error:
        Prior(**options)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sd": {"h": "Flat"}}, "it has g, a:b"),
        ({"sd": {"g": {"z": "Flat"}}}, "it has Intercept, x, treated"),
        ({"sd": {"g": {"treatd": "Flat"}}}, "Did you mean 'treated'"),
        ({"covariance": {"h": Decov()}}, "it has g, a:b"),
        ({"covariance": {"g": Decov()}, "sd": {"g": "Flat"}}, "leave one of them out"),
        ({"covariance": Decov(), "sd": "Flat"}, "leave one of them out"),
        ({"covariance": {"g": InverseWishart(0.5)}}, "above 2"),
        ({"mean": {"z": 1}}, "it has Intercept, x"),
        ({"mean": [1, 2, 3]}, "X has 2 columns"),
        ({"precision": np.eye(3)}, "X has 2 columns"),
    ],
)
def test_refusals_that_need_the_design(options, says):
    with pytest.raises(PriorError) as error:
        Prior(**options).resolve(build(FORMULA, frame()))
    assert says in str(error.value)


def test_a_distribution_object_is_accepted():
    assert Prior(residual=read_distribution("HalfNormal(2)")) == Prior(residual="HalfNormal(2)")
