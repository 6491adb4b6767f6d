"""Posteriors of well-known data under well-known priors: printed numbers, and quadrature that shares no code with ours.

A printed number is a string and is met to half a unit of its last digit; where it is off by more, the quadrature here
decides, and a comment says by how much. Every quadrature is a plain sum over a dense grid in the logs of the sds, with
the likelihood of balanced data written in its sums of squares; halving the grids moves them by less than 1e-6.
"""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb

JEFFREYS = "InverseGamma(.001, .001) on variance"  # BUGS' dgamma(.001, .001) on precisions
LOG_GAMMA = "InverseGamma(1, 5e-5) on variance"  # R-INLA's default, of the residual precision too


def half_unit(text):
    """Half a unit of the last digit that is printed."""
    return 0.5 * 10.0 ** -len(text.partition(".")[2])


def meets(found, text, error=0.0):
    """Whether the number rounds to what is printed, given an error of its own."""
    return abs(found - float(text)) <= half_unit(text) * (1 + 1e-9) + error


def inverse_gamma(a, b):
    return lambda sd: -(2 * a + 1) * np.log(sd) - b / sd**2


def half_normal(scale):
    return lambda sd: -0.5 * (sd / scale) ** 2


def half_t(nu, scale):
    return lambda sd: -0.5 * (nu + 1) * np.log1p((sd / scale) ** 2 / nu)


def exponential(rate):
    return lambda sd: -rate * sd


def flat(sd):
    return np.zeros_like(sd)


def shares(log_density):
    """Probabilities of the points of a grid."""
    p = np.exp(log_density - log_density.max())
    return p / p.sum()


class Line:
    """A quantity on an equally spaced grid of its log, x (m,), with probabilities p (m,)."""

    def __init__(self, x, p):
        self.x, self.p = x, p
        self.below = np.cumsum(p) - 0.5 * p  # the trapezoidal rule: half of a point's mass lies left of it

    def mean(self, power=1):
        return self.p @ np.exp(power * self.x)

    def sd(self):
        return np.sqrt(self.mean(2) - self.mean() ** 2)

    def quantile(self, prob):
        return np.exp(np.interp(prob, self.below, self.x))

    def share_below(self, value):
        return np.interp(np.log(value), self.x, self.below)


def one_way(y, groups, prior_sd, prior_sigma):
    """(sd, sigma) as Lines and the posterior sd of the mean, flat a priori, for balanced groups."""
    table = pd.Series(y).groupby(np.asarray(groups))
    means, J = table.mean().to_numpy(), table.ngroups
    r = len(y) // J
    within = float(((y - table.transform("mean")) ** 2).sum())
    between = r * float(((means - means.mean()) ** 2).sum())
    x = np.linspace(-16.0, 14.0, 6001)[:, None]
    z = np.linspace(-2.5, 4.0, 651)[None] + 0.5 * np.log(within / (len(y) - J))
    total = np.exp(2 * z) + r * np.exp(2 * x)  # variance of a group's mean, times r
    log = (
        -J * (r - 1) * z
        - 0.5 * (J - 1) * np.log(total)
        - 0.5 * within * np.exp(-2 * z)
        - 0.5 * between / total
    )
    p = shares(log + prior_sd(np.exp(x)) + prior_sigma(np.exp(z)) + x + z)
    return Line(x[:, 0], p.sum(axis=1)), Line(z[0], p.sum(axis=0)), np.sqrt(np.sum(p * total) / len(y))


def rate(data, column):
    """Of the exponential with 1 % above three sds of y: a penalised complexity prior PC(3 s_y, .01)."""
    return -np.log(0.01) / (3.0 * bb.load_dataset(data)[column].std())


PULP, REEDS = ("pulp", "bright", "operator"), ("reeds", "nitrogen", "site")
FLAT = "HalfFlat"
# (data, prior of the sd, of sigma): package's way and this file's; then what is printed of the sd, and sd(mean)
ONE_WAY = {
    "pulp half-normal": (
        PULP, "HalfNormal(10)", LOG_GAMMA, half_normal(10.0), inverse_gamma(1.0, 5e-5),
        {"mean": ".5545", "sd": ".653", 0.025: ".085", 0.5: ".387", 0.975: "2.07", "share": ".033", "mu": ".435"},
    ),
    "pulp PC": (
        PULP, f"Exponential({rate('pulp', 'bright')})", LOG_GAMMA, exponential(rate("pulp", "bright")),
        inverse_gamma(1.0, 5e-5), {"mean": ".272", "sd": ".161", "share": ".104"},
    ),
    "pulp log-gamma": (
        PULP, LOG_GAMMA, LOG_GAMMA, inverse_gamma(1.0, 5e-5), inverse_gamma(1.0, 5e-5), {"share": ".975"},
    ),
    "pulp half-t": (
        PULP, "HalfStudentT(3, 2.5)", "HalfStudentT(3, 2.5)", half_t(3, 2.5), half_t(3, 2.5),
        {"mean": ".476", "sd": ".429", 0.025: ".057", 0.975: "1.60", "share": ".0538"},
    ),
    "reeds log-gamma": (
        REEDS, LOG_GAMMA, LOG_GAMMA, inverse_gamma(1.0, 5e-5), inverse_gamma(1.0, 5e-5),
        {"mean": ".058", "share": ".85", "mu": ".143"},
    ),
    "reeds PC": (
        REEDS, f"Exponential({rate('reeds', 'nitrogen')})", LOG_GAMMA, exponential(rate("reeds", "nitrogen")),
        inverse_gamma(1.0, 5e-5), {"mean": ".457", "sd": ".228", 0.025: ".160", 0.5: ".408", 0.975: "1.037"},
    ),
    "reeds half-Cauchy": (
        REEDS, "HalfCauchy(.022)", LOG_GAMMA, half_t(1, 0.022), inverse_gamma(1.0, 5e-5),
        {"mean": ".396", "sd": ".368", 0.025: ".008", 0.975: "1.21"},
    ),
}  # fmt: skip
SHARE = 8e-4  # the printed shares count the whole cell of a coarse grid that .1 lies in: up to 7e-4 too many


def integrated(which, sd, sigma, rel_error=1e-4):
    data, y, group = which
    model = bb.MixedModel(f"{y} ~ 1 + (1 | {group})", bb.load_dataset(data))
    return model.integrate(bb.Prior(sd=sd, residual=sigma), rel_error=rel_error)


def sd_quantile(post, prob):
    """Of the first sd."""
    return float(post.integral.mixture.deviation_quantiles([prob])[0, 1])


def sd_row(post):
    """Row of the first sd in the summary."""
    table = post.summary()
    return table.loc[next(name for name in table.index if name.startswith("sd_"))]


@pytest.mark.parametrize("name", ONE_WAY)
def test_one_way_posteriors_as_printed(name):
    which, sd, sigma, _, _, printed = ONE_WAY[name]
    post = integrated(which, sd, sigma)
    row, mu = sd_row(post), post.summary().loc["beta[Intercept]", "sd"]
    for key, text in printed.items():
        if key == "share":  # P(sd < .1), by two quantiles around it
            room = SHARE + half_unit(text)
            assert sd_quantile(post, float(text) - room) < 0.1 < sd_quantile(post, float(text) + room)
        elif isinstance(key, float):
            assert meets(sd_quantile(post, key), text)
        else:
            found, error = (mu, 1e-4 * mu) if key == "mu" else (row[key], row[f"err_{key}"])
            assert meets(found, text, error), (key, found, text)


@pytest.mark.parametrize("name", ONE_WAY)
def test_one_way_posteriors_by_a_dense_grid(name):
    which, sd, sigma, prior_sd, prior_sigma, _ = ONE_WAY[name]
    frame = bb.load_dataset(which[0])
    line, residual, mu = one_way(frame[which[1]], frame[which[2]], prior_sd, prior_sigma)
    post = integrated(which, sd, sigma)
    table, row = post.summary(), sd_row(post)
    # 1e-4 posterior sds are asked for; an sd whose tail falls as sd^-4 (half-Cauchy, 3 groups) is off by 1.4e-4
    assert row["mean"] == pytest.approx(line.mean(), abs=1e-4 * line.sd())
    assert row["sd"] == pytest.approx(line.sd(), rel=2e-4)
    assert table.loc["sigma", ["mean", "sd"]].tolist() == pytest.approx(
        [residual.mean(), residual.sd()], rel=1e-4
    )
    assert table.loc["beta[Intercept]", "sd"] == pytest.approx(mu, rel=1e-4)
    for prob in (0.5, 0.75, 0.9, 0.975):
        assert line.share_below(sd_quantile(post, prob)) == pytest.approx(prob, abs=2e-4)


@pytest.mark.parametrize("name", ONE_WAY)
@pytest.mark.parametrize("rel_error", [1e-2, 1e-4])
def test_lower_quantiles_by_a_dense_grid(name, rel_error):
    """As shares: in posterior sds even a quantile that is wrong by four orders of magnitude is near the right one."""
    which, sd, sigma, prior_sd, prior_sigma, _ = ONE_WAY[name]
    frame = bb.load_dataset(which[0])
    line = one_way(frame[which[1]], frame[which[2]], prior_sd, prior_sigma)[0]
    post = integrated(which, sd, sigma, rel_error)
    found = [line.share_below(max(sd_quantile(post, prob), 1e-7)) for prob in (0.01, 0.025, 0.05, 0.1, 0.25)]
    assert found == pytest.approx([0.01, 0.025, 0.05, 0.1, 0.25], abs=max(2e-4, rel_error))


@pytest.mark.parametrize("name", ["reeds log-gamma", "reeds half-Cauchy"])
@pytest.mark.parametrize("rel_error", [1e-2, 1e-4])
def test_both_modes_of_reeds_are_seen(name, rel_error):
    """A deterministic approximation that begins at one of them reports the minor one alone: .313 (.157)."""
    which, sd, sigma, *_ = ONE_WAY[name]
    post = integrated(which, sd, sigma, rel_error)
    assert post.diagnostics["modes"] == 2 and "2 modes" in post.messages[0]


def test_a_flat_prior_on_four_groups_has_no_variance():
    """Its tail falls as sd^-3: a mean of .565 (a sampler printed .472), no sd; P(sd < .1) is .0512 (printed .0515)."""
    post = integrated(PULP, FLAT, FLAT, 0.01)
    frame = bb.load_dataset("pulp")
    line = one_way(frame["bright"], frame["operator"], flat, flat)[0]
    assert meets(sd_row(post)["mean"], ".565")
    assert sd_row(post)["mean"] == pytest.approx(line.mean(), abs=1e-5)  # what exp(14) cuts off is 1e-6
    assert sd_quantile(post, 0.0515 - SHARE) < 0.1 < sd_quantile(post, 0.0515 + SHARE)
    assert any("hardly exists" in message for message in post.messages)


def test_dyes():
    """Box and Tiao's data under BUGS' priors; a 97.5 % of 10392 that is printed too is 10391.2."""
    post = integrated(("dyestuff", "Yield", "Batch"), JEFFREYS, JEFFREYS)
    frame, prior = bb.load_dataset("dyestuff"), inverse_gamma(0.001, 0.001)
    line, residual, mu = one_way(frame["Yield"], frame["Batch"], prior, prior)
    table, row = post.summary(), sd_row(post)
    assert line.quantile(0.975) ** 2 == pytest.approx(10391.2, abs=0.4)  # linear interpolation costs .3
    assert meets(row["mean"] ** 2 + row["sd"] ** 2, "2267")
    assert meets(table.loc["sigma", "mean"] ** 2 + table.loc["sigma", "sd"] ** 2, "3014")
    assert meets(table.loc["beta[Intercept]", "mean"], "1527.50")
    assert meets(table.loc["beta[Intercept]", "sd"], "21.87")
    assert meets(sd_quantile(post, 0.5) ** 2, "1343")
    assert meets(sd_quantile(post, 0.025) ** 2, ".0095")
    assert sd_quantile(post, 0.975) == pytest.approx(line.quantile(0.975), rel=2e-5)
    found = [row["mean"], row["sd"], *table.loc["sigma", ["mean", "sd"]], table.loc["beta[Intercept]", "sd"]]
    grid = [line.mean(), line.sd(), residual.mean(), residual.sd(), mu]
    assert found == pytest.approx(grid, rel=1e-4)
    assert [line.share_below(sd_quantile(post, p)) for p in (0.025, 0.25, 0.5)] == pytest.approx(
        [0.025, 0.25, 0.5], abs=2e-4
    )


DYES = {  # prior of sd(Batch), flat sigma: median [95 %] of the sd, mean of batches E and F, sd of E
    "HalfFlat": ("50.5", "16.0", "145.5", "1583.9", "1482.8", "25.0"),
    "HalfCauchy(50)": ("41.6", "10.9", "99.2", "1578.9", "1486.7", "25.4"),
    "HalfNormal(10)": ("12.5", "0.65", "29.7", "1543.3", "1515.0", "20.9"),
}


@pytest.mark.parametrize("sd", DYES)
def test_dyes_under_other_priors(sd):
    post = integrated(("dyestuff", "Yield", "Batch"), sd, FLAT, 1e-3)
    *of_sd, E, F, spread = DYES[sd]
    for prob, text in zip((0.5, 0.025, 0.975), of_sd, strict=True):
        assert meets(sd_quantile(post, prob), text)
    means = post.group_means().set_index("level")
    assert meets(means.loc["E", "estimate"], E) and meets(means.loc["F", "estimate"], F)
    assert meets(means.loc["E", "posterior_sd"], spread)


def rats():
    frame = bb.load_dataset("rats")
    return frame.assign(age=frame["age"] - 22.0)


def rats_by_hand():
    """{name: (mean, sd)}: given sigma, intercepts and slopes of thirty lines of five points are independent."""
    frame = rats()
    lines = np.array(
        [np.polyfit(rat["age"], rat["weight"], 1) for _, rat in frame.groupby("rat", observed=True)]
    )
    fitted = np.repeat(lines[:, 1], 5) + np.repeat(lines[:, 0], 5) * frame["age"]
    within, prior = float(((frame["weight"] - fitted) ** 2).sum()), inverse_gamma(0.001, 0.001)
    z = np.linspace(1.3, 2.4, 221)
    log = -90.0 * z - 0.5 * within * np.exp(-2 * z) + prior(np.exp(z)) + z
    given = {}
    for name, column, info, x in (
        ("alpha_c", lines[:, 1], 5.0, np.linspace(0.0, 4.5, 901)[:, None]),
        ("beta_c", lines[:, 0], 490.0, np.linspace(-6.0, 1.5, 1501)[:, None]),
    ):
        V = np.exp(2 * x) + np.exp(2 * z) / info
        centre, spread = column.mean(), float(((column - column.mean()) ** 2).sum())
        density = -14.5 * np.log(V) - 0.5 * spread / V + prior(np.exp(x)) + x
        density = (
            density - 0.5 * np.log(V / 30 + 1e6) - 0.5 * centre**2 / (V / 30 + 1e6)
        )  # N(0, precision 1e-6)
        p = np.exp(density - density.max())
        log = log + np.log(p.sum(axis=0))
        keep = 1 / (1 + 1e-6 * V / 30)
        first, second = (p / p.sum(axis=0) * f for f in (centre * keep, V / 30 * keep + (centre * keep) ** 2))
        given[name] = first.sum(axis=0), second.sum(axis=0)
    p = shares(log)
    out = {
        name: (p @ first, np.sqrt(p @ second - (p @ first) ** 2)) for name, (first, second) in given.items()
    }
    sigma = Line(z, p)
    return out | {"sigma": (sigma.mean(), sigma.sd())}


def test_rats():
    """Gelfand et al. (1990) with BUGS' independent intercepts and slopes; alpha_0 is the mean at age 0."""
    prior = bb.Prior(kappa=1e-6, residual=JEFFREYS, sd=JEFFREYS)
    post = bb.MixedModel("weight ~ age + (age || rat)", rats()).integrate(prior, rel_error=1e-3)
    rows = post.summary().loc[["beta[Intercept]", "beta[age]", "sigma"]]
    (centre, slope, sigma), (sd_centre, sd_slope, sd_sigma) = rows["mean"], rows["sd"]
    assert meets(centre - 22 * slope, "106.566")
    # the design is balanced and age centred: the two coefficients are uncorrelated at any variances
    assert meets(np.hypot(sd_centre, 22 * sd_slope), "3.632")
    assert meets(slope, "6.1857") and meets(sd_slope, ".1083")
    assert meets(sigma, "6.0901") and meets(sd_sigma, ".4644")
    truth = rats_by_hand()
    for row, name in zip(rows.itertuples(), ("alpha_c", "beta_c", "sigma"), strict=True):
        mean, sd = truth[name]
        assert row.mean == pytest.approx(mean, abs=1e-3 * sd) and row.sd == pytest.approx(sd, rel=1e-3)


SCHOOLS = {  # prior of tau, sd of mu's prior: mean, sd, median, 2.5 %, 97.5 % of tau; mean and sd of mu
    "flat": ("HalfFlat", np.inf, flat, ("6.575", None, "5.238", ".242", "20.75"), ("7.932", "5.178")),
    "half-Cauchy 25": (
        "HalfCauchy(25)", 50.0, half_t(1, 25.0), ("5.883", "4.847", "4.773", None, None), (None, None),
    ),
    "half-Cauchy 5": ("HalfCauchy(5)", 5.0, half_t(1, 5.0), ("3.598", "3.220", None, None, None), ("4.397", "3.318")),
}  # fmt: skip


def schools_by_hand(prior, width):
    """tau as a Line, (mean, sd) of mu, and of the effects of schools A and C."""
    frame = bb.load_dataset("eight_schools")
    x = np.linspace(-14.0, 12.0, 26001)
    tau2 = np.exp(2 * x)[:, None]
    V = frame["se"].to_numpy() ** 2 + tau2
    precision = (1 / V).sum(axis=1) + width**-2.0
    mu = (frame["y"].to_numpy() / V).sum(axis=1) / precision
    log = -0.5 * np.log(V).sum(axis=1) - 0.5 * np.log(precision) + prior(np.exp(x)) + x
    p = shares(log - 0.5 * (frame["y"].to_numpy() ** 2 / V).sum(axis=1) + 0.5 * mu**2 * precision)

    def mixed(mean, variance):
        total = p @ mean
        return total, np.sqrt(p @ (variance + (mean - total) ** 2))

    own = tau2 / V  # share of a school's own mean
    effect = own * frame["y"].to_numpy() + (1 - own) * mu[:, None]
    spread = own * frame["se"].to_numpy() ** 2 + (1 - own) ** 2 / precision[:, None]
    return Line(x, p), mixed(mu, 1 / precision), [mixed(effect[:, j], spread[:, j]) for j in (0, 2)]


@pytest.mark.parametrize("name", SCHOOLS)
def test_eight_schools(name):
    """Gelman (2006) and the case study after it; kappa is one over the squared sd of mu's prior."""
    sd, width, prior, of_tau, of_mu = SCHOOLS[name]
    frame = bb.load_dataset("eight_schools")
    model = bb.MixedModel("y ~ 1 + (1 | school)", frame, weights=1 / frame["se"] ** 2, sigma=1.0)
    post = model.integrate(bb.Prior(kappa=width**-2.0, sd=sd), rel_error=1e-4)
    tau, mu = sd_row(post), post.summary().loc["beta[Intercept]"]
    columns = ["mean", "sd", "median", "eti95_lb", "eti95_ub"]
    for text, key in zip((*of_tau, *of_mu), columns + columns[:2], strict=True):
        if text is not None:
            assert meets(tau[key] if text in of_tau else mu[key], text, 1e-4 * tau["sd"])
    line, of_mu, (A, C) = schools_by_hand(prior, width)
    # 1e-4 posterior sds, and what the grid cuts off at exp(12)
    assert tau[["mean", "sd"]].tolist() == pytest.approx([line.mean(), line.sd()], rel=2e-4)
    assert mu[["mean", "sd"]].tolist() == pytest.approx(of_mu, rel=2e-4)
    means = post.group_means().set_index("level")
    for level, truth in (("A", A), ("C", C)):
        assert means.loc[level, ["estimate", "posterior_sd"]].tolist() == pytest.approx(truth, rel=2e-4)
    if name == "flat":
        assert meets(A[0], "11.40") and meets(A[1], "8.34") and meets(C[0], "6.13") and meets(C[1], "7.77")
    assert line.share_below(tau["eti95_lb"]) == pytest.approx(0.025, abs=1e-4)
    assert line.share_below(tau["eti95_ub"]) == pytest.approx(0.975, abs=1e-4)


ROBINSON = ("105.63866", "104.27574", "105.45844", ".39649", ".52039", ".75693", "-1.67380")


def test_robinson():
    """BLUP is the posterior mean under a flat prior: nine records, three herds, four sires, G = .1 I, R = I."""
    model = bb.MixedModel("yield ~ 0 + herd + (1 | sire)", bb.load_dataset("robinson"))
    known, limit = {"sire": np.sqrt(0.1), "residual": 1.0}, np.array(ROBINSON, dtype=float)

    def at(kappa):
        g = model.solve(known, kappa=kappa)
        return np.concatenate([g.beta, g.b.set_index("level").loc[list("ABCD"), "estimate"]])

    assert all(meets(found, text) for found, text in zip(at(0.0), ROBINSON, strict=True))
    kappas = np.array([1e-2, 1e-4, 1e-6, 1e-8])
    off = np.array([np.linalg.norm(at(k) - at(0.0)) for k in kappas])
    assert off[1:] / kappas[1:] == pytest.approx(off[1] / kappas[1], rel=1e-3)  # linear in kappa [E-RATE]
    assert off[0] < 1.0 and np.abs(at(1e-8) - limit).max() < 6e-6


@pytest.mark.parametrize(("kappa", "printed"), [(1e-8, "-871.8144528"), (1e-10, "-871.8141391")])
def test_harville(kappa, printed):
    """The evidence over the density of beta's prior at its mean goes to the REML likelihood [E-HARVILLE]."""
    model = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))
    fit = model.fit("REML")
    found = model.solve(fit, kappa=kappa).log_evidence + np.log(2 * np.pi / kappa)  # p / 2 = 1
    # its derivative in theta is not quite 0 where the optimiser stops: 1e-7 of the printed digits
    assert meets(found, printed, 1e-7)
    assert meets(fit.log_likelihood, "-871.814")


def sleepstudy_by_hand():
    """{name: (mean, sd)} and log evidence: 18 subjects with the same ten days, so 2 x 2 algebra, on 1.6e6 points."""
    frame = bb.load_dataset("sleepstudy")
    days = np.column_stack([np.ones(10), np.arange(10.0)])
    y = frame.sort_values(["Subject", "Days"])["Reaction"].to_numpy().reshape(18, 10)
    C = np.linalg.inv(days.T @ days)
    B = y @ days @ C
    within, centre = float(((y - B @ days.T) ** 2).sum()), B.mean(axis=0)
    S = (B - centre).T @ (B - centre)
    D, m = np.diag([250.0**2, 50.0**2]), np.array([300.0, 0.0])
    z, x1, x2, w = (
        np.arange(*grid) for grid in ((2.85, 3.75, 0.03), (-2.0, 5.0, 0.12), (0.3, 3.5, 0.11), (-4, 4, 0.14))
    )
    sd1, sd2, rho = np.exp(x1)[:, None, None], np.exp(x2)[None, :, None], np.tanh(w)[None, None]
    prior = half_normal(100.0)(sd1) + half_normal(30.0)(sd2) + 2 * np.log1p(-(rho**2)) + np.log(sd1 * sd2)
    G = np.broadcast_arrays(sd1**2, rho * sd1 * sd2, sd2**2)
    logs, rows = [], []
    for s2 in np.exp(2 * z):
        V = [g + s2 * c for g, c in zip(G, (C[0, 0], C[0, 1], C[1, 1]), strict=True)]
        det, (a, b, c) = inverse(V)
        log = -8.5 * np.log(det) - 0.5 * (a * S[0, 0] + 2 * b * S[0, 1] + c * S[1, 1]) + prior
        det, P = inverse([v / 18 + d for v, d in zip(V, (D[0, 0], 0.0, D[1, 1]), strict=True)])
        e = centre - m
        log = log - 0.5 * np.log(det) - 0.5 * (P[0] * e[0] ** 2 + 2 * P[1] * e[0] * e[1] + P[2] * e[1] ** 2)
        log = log + (1 - 144) * 0.5 * np.log(s2) - 0.5 * within / s2 + half_t(4, 56.0)(np.sqrt(s2))
        _, Q = inverse([18 * a + 1 / D[0, 0], 18 * b, 18 * c + 1 / D[1, 1]])
        right = [18 * (a * centre[0] + b * centre[1]) + m[0] / D[0, 0], 18 * (b * centre[0] + c * centre[1])]
        beta = [Q[0] * right[0] + Q[1] * right[1], Q[1] * right[0] + Q[2] * right[1]]
        # the rows of K = G V^-1 for b_308 = K (B_308 - beta), with variance G - K G + K Q K'
        values = {"sigma": (np.sqrt(s2), 0.0), "sd1": (sd1, 0.0), "sd2": (sd2, 0.0), "rho": (rho, 0.0)}
        for j in (0, 1):
            K = G[j] * a + G[j + 1] * b, G[j] * b + G[j + 1] * c
            spread = G[2 * j] - K[0] * G[j] - K[1] * G[j + 1]
            spread = spread + K[0] ** 2 * Q[0] + 2 * K[0] * K[1] * Q[1] + K[1] ** 2 * Q[2]
            values[f"b{j}"] = K[0] * (B[0, 0] - beta[0]) + K[1] * (B[0, 1] - beta[1]), spread
            values[f"beta{j}"] = beta[j], Q[2 * j]
        p = np.exp(log - log.max())
        logs.append(log.max() + np.log(p.sum()))
        rows.append([(np.sum(p * v) / p.sum(), np.sum(p * (v**2 + t)) / p.sum()) for v, t in values.values()])
    p, rows = shares(np.array(logs)), np.array(rows)
    mean, square = p @ rows[:, :, 0], p @ rows[:, :, 1]
    top = max(logs)
    total = top + np.log(np.exp(np.array(logs) - top).sum()) + np.log(0.03 * 0.12 * 0.11 * 0.14)
    # densities of the data given their lines, and Gaussian constants of 18 lines and of beta
    total += 9 * np.log(np.linalg.det(C)) - (72 + 17 + 1) * np.log(2 * np.pi) - np.log(18)
    return dict(zip(values, zip(mean, np.sqrt(square - mean**2), strict=True), strict=True)), total


def inverse(M):
    """det and (a, b, c) of the inverse of symmetric [[a, b], [b, c]]."""
    det = M[0] * M[2] - M[1] ** 2
    return det, (M[2] / det, -M[1] / det, M[0] / det)


# What densities carry beside their shapes: the printed log Z left these of the sds, rho and sigma out
CONSTANTS = (
    np.log(2 / np.pi) - np.log(100.0) - np.log(30.0)  # half-normal, two
    + np.log(0.75)  # LKJ(2): density .75 (1 - rho^2)
    + np.log(0.75 / 56.0)  # half-t with 4 degrees of freedom
)  # fmt: skip


def sleepstudy_posterior(rel_error):
    model = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))
    prior = bb.Prior(
        kappa=1.0,
        mean=[300.0, 0.0],
        precision=np.diag([1 / 250.0**2, 1 / 50.0**2]),
        residual="HalfStudentT(4, 56)",
        sd={"Subject": {"Intercept": "HalfNormal(100)", "Days": "HalfNormal(30)"}},
        corr=2.0,
    )
    return model, model.integrate(prior, rel_error=rel_error)


def test_sleepstudy_by_a_lattice_of_a_million_points():
    """log Z was printed without the constants of the priors of sds, rho and sigma; with them it is -891.497."""
    truth, log_evidence = sleepstudy_by_hand()
    printed = {"sigma": "25.88252", "sd1": "27.24749", "sd2": "6.56222", "rho": ".06610"}
    for name, text in printed.items():
        # its lattice ends at 7 sds: E sd1 is 27.2471 here, as in the wider one
        assert abs(truth[name][0] - float(text)) < 1e-4 * truth[name][1]
    assert log_evidence == pytest.approx(-878.438415, abs=3e-5)  # 2e-5 more, as in the wider of its lattices
    _, post = sleepstudy_posterior(1e-3)
    table = post.summary()
    names = ["beta[Intercept]", "beta[Days]", "sigma", "sd_Subject[Intercept]", "sd_Subject[Days]"]
    names += ["corr_Subject[Days,Intercept]"]
    for name, key in zip(names, ("beta0", "beta1", "sigma", "sd1", "sd2", "rho"), strict=True):
        mean, sd = truth[key]
        assert table.loc[name, "mean"] == pytest.approx(mean, abs=1e-3 * sd)
        assert table.loc[name, "sd"] == pytest.approx(sd, rel=1e-3)
    for k in (0, 1):
        mean, sd = truth[f"b{k}"]
        row = post.ranef().loc[k]
        assert row["estimate"] == pytest.approx(mean, abs=1e-3 * sd)
        assert row["posterior_sd"] == pytest.approx(sd, rel=1e-3)
    assert post.log_marginal_likelihood == pytest.approx(log_evidence + CONSTANTS, abs=1e-3)


def test_the_ladder_of_sds():
    """cond_sd < sqrt(PEV) < posterior sd, as printed for subject 308; its 14.16 is 14.17 by the grid above."""
    model, post = sleepstudy_posterior(1e-3)
    blup, full = model.fit("REML").ranef(), post.ranef()
    first = blup["level"] == "308"
    for column, texts in (("cond_sd", ("12.07", "2.30")), ("pev_sd", ("13.10", "2.64"))):
        assert all(meets(found, text) for found, text in zip(blup.loc[first, column], texts, strict=True))
    intercept, slope = full.loc[(full["level"] == "308").to_numpy(), "posterior_sd"]
    assert meets(intercept, "14.17", 2e-3) and meets(slope, "2.89")
    ratio = {c: full["posterior_sd"] / blup[c] for c in ("cond_sd", "pev_sd")}
    assert (blup["cond_sd"] < blup["pev_sd"]).all() and (ratio["pev_sd"] > 1).all()
    for term, over_cond, over_pev in (("Intercept", "1.16", "1.07"), ("Days", "1.23", "1.08")):
        at = (blup["term"] == term).to_numpy()
        assert meets(ratio["cond_sd"][at].mean(), over_cond) and meets(ratio["pev_sd"][at].mean(), over_pev)
    moved = (full["estimate"] - blup["estimate"]).abs()
    assert moved[blup["term"] == "Intercept"].max() < 0.195 and moved[blup["term"] == "Days"].max() < 0.0435


@pytest.mark.parametrize(
    ("method", "power", "mode"),
    [("ML", 1.0, 6.3053), ("REML", 1.0, 7.2923), ("ML", 1.5, 7.8996), ("REML", 1.5, 9.1007)],
)
def test_boundary_avoiding_modes_of_eight_schools(method, power, mode):
    """Chung et al. (2013): likelihood times sd^power; blme's default is 1.5. Unrounded data, four decimals printed."""
    from scipy.optimize import minimize_scalar

    from blupbayes.mme.criterion import evaluate

    frame = bb.load_dataset("eight_schools")
    model = bb.MixedModel("y ~ 1 + (1 | school)", frame, weights=1 / frame["se"] ** 2, sigma=1.0)

    def minus_log(tau):
        return 0.5 * evaluate(model.statistics, [tau], method).criterion - power * np.log(tau)

    found = minimize_scalar(minus_log, bounds=(0.1, 40.0), method="bounded", options={"xatol": 1e-9}).x
    assert found == pytest.approx(mode, abs=5e-5)
    if method == "REML":  # the same from the exact posterior: a gamma prior without a rate to speak of
        curve = model.integrate(bb.Prior(sd=f"Gamma({power + 1}, 1e-9)"), rel_error=1e-4).density(
            "sd_school[Intercept]", np.linspace(mode - 0.5, mode + 0.5, 1001)
        )
        assert curve["value"][curve["density"].argmax()] == pytest.approx(mode, abs=0.02)  # flat at its top
