"""ML and REML: two readings of one Factor; their derivatives are in derivatives.py, the evidence in gaussian.py.

In whitened coordinates X = Q R the border of the factor is the triangular root of [Q e]'V0^-1 [Q e]: its leading
block is that of S = Q'V0^-1 Q (r, r), so log|R_X|^2 = log|S| + 2 log|R|; its last entry squared is r2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.factor import Factor, factorize
from blupbayes.mme.statistics import Statistics

__all__ = ["Border", "Evaluation", "evaluate", "read_border"]

Array = NDArray[np.float64]
EXACT = "The model fits the response without any residual, so there is no residual sd to estimate. Check the response."
LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, eq=False)
class Border:
    """What a Factor says about the fixed effects and the residual.

    ``b`` and ``v`` (q, r + 1): the BLUP map of [Q e] and Z'V0^-1 [Q e]; ``S`` (r, r) and its inverse ``S_inv``;
    ``L_inv`` (r, r): L_inv'L_inv = S_inv; ``g`` (r,): generalised least squares in whitened coordinates,
    beta = beta_ols + R^-1 g; ``r2``: the minimum of [E-PLS]; ``log_det``: log|S|.
    """

    b: Array
    v: Array
    S: Array
    S_inv: Array
    L_inv: Array
    g: Array
    r2: float
    log_det: float


def read_border(statistics: Statistics, factor: Factor) -> Border:
    """Solve for the fixed effects [E-GLS] and the residual [E-PLS]."""
    r = statistics.rank
    b, v, root = factor.border
    U = root[:r, :r]
    L_inv = np.linalg.inv(U).T
    g = L_inv.T @ root[:r, r]
    log_det = 2.0 * float(np.log(np.abs(U.diagonal())).sum())
    return Border(b, v, U.T @ U, L_inv.T @ L_inv, L_inv, g, float(root[r, r]) ** 2, log_det)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The criterion at one theta.

    Parameters
    ----------
    theta : array (m,)
        Relative covariance parameters, unit-free.
    method : str
        "ML" or "REML".
    sigma : float
        Residual sd at this theta (profiled, or the known one); unit of y.
    criterion : float
        -2 log-likelihood, restricted for REML, with all constants.
    """

    statistics: Statistics
    theta: Array
    method: str
    factor: Factor
    border: Border
    sigma: float
    criterion: float

    @property
    def dof(self) -> int:
        """n for ML, n - r for REML."""
        return self.statistics.n_obs - (self.statistics.rank if self.method == "REML" else 0)

    @property
    def beta(self) -> Array:
        """Fixed effects (p,) [E-GLS]; 0 for aliased columns."""
        s = self.statistics
        beta = s.beta_ols.copy()
        beta[s.kept] += np.linalg.solve(s.R[:, s.kept], self.border.g)
        return beta


def evaluate(statistics: Statistics, theta: Array, method: str = "REML") -> Evaluation:
    """-2 log-likelihood at theta, profiled over beta and (unless it is known) sigma [E-ML], [E-REML].

    Parameters
    ----------
    statistics : Statistics
    theta : array (m,)
    method : {"REML", "ML"}

    Returns
    -------
    Evaluation
    """
    theta = np.asarray(theta, dtype=float)
    factor = factorize(statistics, statistics.factors(theta))
    border = read_border(statistics, factor)
    m = statistics.n_obs - (statistics.rank if method == "REML" else 0)
    if statistics.sigma is None and not border.r2 > 0:
        raise DataError(EXACT)
    sigma2 = border.r2 / m if statistics.sigma is None else statistics.sigma**2
    log_det = factor.log_det - statistics.log_weights
    if method == "REML":
        log_det += border.log_det + 2.0 * statistics.log_det_R
    criterion = m * (LOG_2PI + float(np.log(sigma2))) + log_det + border.r2 / sigma2
    return Evaluation(statistics, theta, method, factor, border, float(np.sqrt(sigma2)), criterion)
