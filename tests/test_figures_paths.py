"""The kappa path and the pooling path show the limits and rates of theory.md."""

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.errors import ComparisonError
from blupbayes.show.figures.ends import apart, spread
from blupbayes.show.figures.kappa import kappa_path
from figure_checks import compared, model, texts


@pytest.fixture(scope="module")
def kappa():
    return compared("rail").plot_kappa_path()


def test_the_curve_is_the_closed_form_of_rail(kappa):
    x, y = kappa.axes[0].get_lines()[0].get_data()
    # mu(kappa) = 66.5 / (1 + 103.45 kappa), Var(mu) = (615.311 + 16.1667/3) / 6; seven digits of the variances.
    variance = (615.3111 + 16.16667 / 3) / 6
    np.testing.assert_allclose(y, 66.5 / (1 + variance * 10.0 ** -np.asarray(x)), rtol=1e-6)


def test_the_words_have_the_rate_and_the_limit(kappa):
    assert "6879 kappa" in kappa.alt  # 66.5 x 103.45
    assert "limit at kappa = 0 is 66.50" in kappa.alt and "0.00967" in kappa.caption
    assert "2, -34.53" in kappa.alt


def test_the_distance_has_slope_one(kappa):
    distance, guide = (line.get_xydata() for line in kappa.axes[2].get_lines())
    slope = np.polyfit(*guide.T, 1)[0]
    assert slope == pytest.approx(-1, abs=1e-9)  # decades against decades
    near = distance[np.abs(distance[:, 0] - 6.0) < 1.5]
    # At kappa = 1e-5 the second order is 103 kappa = 1e-3 of the first.
    assert np.polyfit(*near.T, 1)[0] == pytest.approx(-1, abs=2e-3)


def test_the_limit_stands_at_the_right_edge(kappa):
    labels = [t.get_text() for t in kappa.axes[0].get_xticklabels()]
    assert labels[-1] == "→ 0" and texts(kappa.fig).count("→ 0") == 2
    x, y = kappa.axes[0].get_lines()[2].get_data()
    assert y[0] == pytest.approx(66.5) and x[0] > max(kappa.axes[0].get_lines()[0].get_xdata())


def test_a_path_without_its_limit_is_refused():
    m = model("rail")
    with pytest.raises(ComparisonError, match="kappa = 0"):
        kappa_path(m.kappa_path(m.fit(), [1e-3, 1e-4]), "Rail", "Intercept")


def test_the_ends_of_the_pooling_path():
    result = compared("rail").plot_pooling_path()
    at = {tau: rows.set_index("level")["estimate"] for tau, rows in result.data.groupby("tau")}
    raw = bb.load_dataset("rail").astype({"Rail": str}).groupby("Rail")["travel"].mean()
    np.testing.assert_allclose(at[0.0], 66.5, rtol=1e-12)
    np.testing.assert_allclose(at[np.inf][raw.index], raw, rtol=1e-9)  # the limit of no pooling, solved by QR
    assert (
        "from 66.50 to 66.50 at tau = 0" in result.alt and "2 moves most, from 31.97 to 31.67" in result.alt
    )
    assert "no intervals" in result.caption
    lines = [line for line in result.axes[0].get_lines() if len(line.get_xdata()) > 30]
    assert len(lines) == 7  # six rails and the fixed effect
    assert {round(float(line.get_xdata()[-1]), 12) for line in lines} == {1.0}


def test_labels_are_spread_by_least_squares():
    y = np.array([0.0, 0.1, 0.2, 5.0])
    found = spread(y, 1.0, -10.0, 10.0)
    assert np.all(np.diff(found) >= 1 - 1e-12)
    np.testing.assert_allclose(found, [-0.9, 0.1, 1.1, 5.0], atol=1e-12)  # three that touch keep their mean
    assert spread(np.zeros(3), 1.0, 0.0, 10.0).tolist() == [0.0, 1.0, 2.0]
    assert sorted(apart(np.array([0.0, 0.4, 1.0, 9.0]), 1.0)) == [0, 2, 3]


def test_the_path_of_one_sd_is_the_textbook_s():
    """Gelman et al., Bayesian Data Analysis, (5.17) and (5.20): theta_j and mu given tau, known standard errors."""
    result, data = compared("schools").plot_sd_path(), bb.load_dataset("eight_schools").set_index("school")
    y, se = data["y"].to_numpy(), data["se"].to_numpy()
    levels = result.data[result.data["kind"] == "level"]
    for tau in (levels["sd"].unique()[k] for k in (0, 20, 100)):
        own = levels[levels["sd"] == tau].set_index("level").loc[data.index]
        V = 1 / np.sum(1 / (se**2 + tau**2))
        mu = V * np.sum(y / (se**2 + tau**2))
        keep = tau**2 / (se**2 + tau**2)
        np.testing.assert_allclose(own["estimate"], keep * y + (1 - keep) * mu, rtol=1e-9)
        spread = np.sqrt(keep * se**2 + (1 - keep) ** 2 * V)
        np.testing.assert_allclose(own["uncertainty"], spread, rtol=1e-9)
    assert "runs from 7.69 to 7.69 at sd 0" in result.alt and "(A) at sd" in result.alt
    lines = [line for line in result.axes[0].get_lines() if len(line.get_xdata()) == 101]
    assert len(lines) == 9  # eight schools and the fixed effect
    assert list(result.axes[1].get_lines()[-1].get_xdata()) == [0.0]  # where REML stands


def test_the_other_variances_stay_where_reml_has_them():
    cmp, m = compared("sleepstudy"), model("sleepstudy")
    own = cmp.plot_sd_path(term="Days").data
    own = own[own["kind"] == "level"]
    sd, v = own["sd"].unique()[40], cmp.answers["REML"].variances
    (a, _), r = np.sqrt(np.diag(v.covariances[0])), v.covariances[0][0, 1]
    r = r / np.sqrt(np.prod(np.diag(v.covariances[0])))
    known = {"Subject": np.array([[a**2, r * a * sd], [r * a * sd, sd**2]]), "residual": v.residual}
    means = m.solve(known).group_means().query("term == 'Days'").set_index("level")
    found = own[own["sd"] == sd].set_index("level").loc[means.index]
    np.testing.assert_allclose(found["estimate"], means["estimate"], rtol=1e-8)
    np.testing.assert_allclose(found["uncertainty"], means["pev_sd"], rtol=1e-8)
