"""Two crossed factors under R-INLA's default prior: up to four modes, each sd near 0 or not; a dense grid.

In a complete table without repeats, given sigma, the two sds are independent: the grid is two planes, not a cube.
"""

import numpy as np
import pytest

import blupbayes as bb

LOG_GAMMA = "InverseGamma(1, 5e-5) on variance"


def table(J, H, ratio_g, ratio_h, sigma=50.0):
    """Frame and sums of squares: mean squares of factors at their ratio to that of the residual, which is sigma^2."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(J, H))
    noise = noise - noise.mean(axis=0) - noise.mean(axis=1, keepdims=True) + noise.mean()
    a, b = rng.normal(size=(J, 1)), rng.normal(size=(1, H))
    parts = [
        x * np.sqrt(wanted / np.sum((x + np.zeros((J, H))) ** 2))
        for x, wanted in (
            (noise, sigma**2 * (J - 1) * (H - 1)),
            (a - a.mean(), sigma**2 * ratio_g * (J - 1)),
            (b - b.mean(), sigma**2 * ratio_h * (H - 1)),
        )
    ]
    g, h = np.indices((J, H))
    sums = [float(np.sum((x + np.zeros((J, H))) ** 2)) for x in parts]
    return {"g": g.ravel(), "h": h.ravel(), "y": sum(parts).ravel()}, sums


def by_grid(J, H, sums, prior):
    """Means of sigma, sd(g) and sd(h)."""
    residual, *between = sums
    z = np.linspace(-3.0, 3.0, 601) + 0.5 * np.log(residual / ((J - 1) * (H - 1)))
    x = np.linspace(-12.0, 12.0, 4801)[:, None]
    log = -(J - 1) * (H - 1) * z - 0.5 * residual * np.exp(-2 * z) + prior(np.exp(z)) + z
    means = []
    for n, total, m in ((J - 1, between[0], H), (H - 1, between[1], J)):
        V = np.exp(2 * z) + m * np.exp(2 * x)
        density = -0.5 * n * np.log(V) - 0.5 * total / V + prior(np.exp(x)) + x
        top = density.max(axis=0)
        p = np.exp(density - top)
        log = log + top + np.log(p.sum(axis=0))
        means.append((p * np.exp(x)).sum(axis=0) / p.sum(axis=0))
    p = np.exp(log - log.max())
    return [float(p @ value / p.sum()) for value in (np.exp(z), *means)]


CASES = [
    (6, 6, 300.0, 10.0),  # nearly all with sd(h) small
    (6, 6, 300.0, 30.0),  # a quarter
    (8, 10, 900.0, 8.0),
    (8, 10, 900.0, 11.0),  # a sixth
    (8, 10, 30.0, 14.0),  # 0.3 %, worth 0.016 posterior sds
    (8, 10, 60.0, 60.0),  # both away from 0
]


@pytest.mark.parametrize(("J", "H", "ratio_g", "ratio_h"), CASES)
def test_every_mode_is_found(J, H, ratio_g, ratio_h):
    frame, sums = table(J, H, ratio_g, ratio_h)
    model = bb.MixedModel("y ~ 1 + (1 | g) + (1 | h)", frame)
    post = model.integrate(bb.Prior(sd=LOG_GAMMA, residual=LOG_GAMMA))
    found = post.summary().loc[["sigma", "sd_g[Intercept]", "sd_h[Intercept]"]]
    truth = by_grid(J, H, sums, lambda sd: -3 * np.log(sd) - 5e-5 / sd**2)
    # 0.01 posterior sds are asked for; a mode that is missed costs 0.016 to 0.6 of them
    assert (np.abs(found["mean"] - truth) < 0.01 * found["sd"]).all()
