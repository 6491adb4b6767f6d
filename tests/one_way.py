"""The balanced one-way layout by brute force: sums over a grid of (sd, sigma), textbook formulas, none of our code.

beta flat, sigma flat, any prior of the sd between groups. With lambda = r a^2 / (r a^2 + s^2) the mean of group j has
posterior mean lambda ybar_j + (1 - lambda) ybar given (a, s), and variance
lambda s^2/r + (1 - lambda)^2 (s^2 + r a^2)/n.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class OneWay:
    """Posterior on the grid: sds a (A,), sigmas s (S,), probabilities w (A, S), weights lam (A, S)."""

    a: np.ndarray
    s: np.ndarray
    w: np.ndarray
    lam: np.ndarray
    means: np.ndarray  # of y by group
    grand: float
    r: int

    def expect(self, values):
        """Posterior mean of values (A, S)."""
        return float(np.sum(self.w * values))

    @property
    def weight(self):
        """E(weight)."""
        return self.expect(self.lam)

    def group_mean(self, j):
        """Posterior mean and sd."""
        n = self.r * len(self.means)
        centre = self.lam * self.means[j] + (1 - self.lam) * self.grand
        s2, total = self.s[None, :] ** 2, self.s[None, :] ** 2 + self.r * self.a[:, None] ** 2
        inside = self.lam * s2 / self.r + (1 - self.lam) ** 2 * total / n
        mean = self.expect(centre)
        return mean, np.sqrt(self.expect(inside + (centre - mean) ** 2))

    def sd_below(self, x):
        """P(sd < x), between grid points by interpolation in log sd."""
        edges = np.log(self.a) + 0.5 * (np.log(self.a[1]) - np.log(self.a[0]))
        return np.interp(np.log(x), edges, np.cumsum(self.w.sum(axis=1)))

    def sd_quantile(self, p):
        """Quantile of the sd."""
        edges = np.log(self.a) + 0.5 * (np.log(self.a[1]) - np.log(self.a[0]))
        return np.exp(np.interp(p, np.cumsum(self.w.sum(axis=1)), edges))

    def weight_quantile(self, p):
        """Quantile of the weight."""
        order = np.argsort(self.lam, axis=None)
        return np.interp(p, np.cumsum(self.w.ravel()[order]), self.lam.ravel()[order])


def one_way(y, codes, log_prior, power=1.0, low=1e-4, high=1e6, size=(1501, 81)):
    """Posterior under exp(power * log_prior(a)), a the sd between groups."""
    J = codes.max() + 1
    r = len(y) // J
    means = np.array([y[codes == j].mean() for j in range(J)])
    sse, sst = np.sum((y - means[codes]) ** 2), r * np.sum((means - means.mean()) ** 2)
    a = np.geomspace(low, high, size[0])
    centre = np.sqrt(sse / (len(y) - J))
    s = centre * np.exp(np.linspace(-2.5, 3.0, size[1]))
    total = s**2 + r * a[:, None] ** 2
    log_w = -0.5 * (
        (len(y) - J) * np.log(s**2) + (J - 1) * np.log(total) + sse / s**2 + sst / total
    ) + np.log(s)
    log_w = log_w + (power * log_prior(a) + np.log(a))[:, None]
    w = np.exp(log_w - log_w.max())
    return OneWay(a, s, w / w.sum(), r * a[:, None] ** 2 / total, means, float(y.mean()), r)
