"""Statistics and Prior -> a ``pm.Model`` of the variance parameters alone: beta and b are integrated out.

Whatever the number of rows, levels and columns, the sampler moves in a handful of dimensions, and the density has no
funnel and no ridge. Two ways to the same number:

- one grouping factor: with Z_j = U_j root_j and a_j = U_j'[Q e] of level j (mme/orthonormal.py),

      M_j = I + root_j T T'root_j',   G = [Q e]'V0^-1 [Q e] = within'within + sum_j a_j'M_j^-1 a_j,

  factorised entry by entry over vectors (J,). No graph holds a matrix product or a Cholesky factorisation, whose
  compilation takes minutes;
- several: one Op that calls `density.log_marginal`, in NumPy, and knows its own gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from blupbayes.bayes.correlation import correlation_root
from blupbayes.bayes.density import BetaPrior, beta_prior, log_marginal
from blupbayes.bayes.names import coordinates
from blupbayes.bayes.propriety import check_beta, check_sampled
from blupbayes.bayes.variables import correlation, deviations, residual_sd
from blupbayes.errors import BlupbayesError
from blupbayes.mme.orthonormal import basis
from blupbayes.mme.reduced import reduced
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design
from blupbayes.model.prior import Prior, read_prior
from blupbayes.model.resolved import GroupPrior

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["build"]

Array = NDArray[np.float64]

MOST_COEFFICIENTS = 6  # per level: the Cholesky factor of a level is written out entry by entry
MOST_COLUMNS = 12  # of X: so is the elimination of beta
MOST_EFFECTS = 500  # of several factors: beyond, one evaluation takes milliseconds, and sampling an hour


def build(design: Design, prior: Prior | None = None) -> pm.Model:
    """The model with beta and b integrated out [E-REML], [E-EVIDENCE], to read, extend and draw.

    Parameters
    ----------
    design : Design
        Data, weights, offset and, where it is known, sigma.
    prior : Prior, optional
        None is the documented default.

    Returns
    -------
    pm.Model
        Variables `sigma` (unless known), `sd_g` (g_term) and `corr_g` (g_term, g_term_bis); the data stand in the
        potential `marginal`, minus half of the REML criterion for kappa = 0, the log evidence for kappa > 0.

    Raises
    ------
    BlupbayesError
        If there are more than 500 random effects, unless they are of one grouping factor with at most 6 coefficients
        and at most 12 columns of X: sampling would take an hour or more.
    IdentifiabilityError, PriorError
        As for the hierarchical model.

    Examples
    --------
    >>> import blupbayes as bb
    >>> model = build(bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).design)
    >>> sorted(variable.name for variable in model.free_RVs)
    ['sd_Rail', 'sigma']
    """
    import pymc as pm

    resolved = read_prior(prior).resolve(design)
    check_beta(design, resolved)
    check_sampled(resolved)
    statistics = reduced(design)
    beta = beta_prior(statistics, resolved)
    level_wise = suits(statistics)
    with pm.Model(coords=coordinates(design)) as model:
        sigma = residual_sd(resolved)
        T = [covariance_root(g, resolved.corr) / sigma for g in resolved.groups]
        density = (level_by_level if level_wise else jointly)(statistics, beta, T, sigma)
        pm.Potential("marginal", density)
    return model


def covariance_root(prior: GroupPrior, eta: float) -> Any:
    """sigma T (q, q) of one grouping factor: sds times the root of the correlation matrix."""
    sd = deviations(f"sd_{prior.name}", prior.sds, f"{prior.name}_term")
    q = len(prior.names)
    L = correlation_root(correlation(prior, eta), prior.blocks, q) if prior.blocks else np.eye(q)
    return sd[:, None] * L


def suits(statistics: Statistics) -> bool:
    """Whether the model has one grouping factor, few coefficients and few columns.

    Raises
    ------
    BlupbayesError
        If it has not, and has too many effects for the other way.
    """
    (first, *others), size = statistics.groups, statistics.layout.size
    few = first.template.size <= MOST_COEFFICIENTS and statistics.rank <= MOST_COLUMNS
    if few and not others:
        return True
    if size > MOST_EFFECTS:
        raise BlupbayesError(
            f"parameterization='collapsed' would take hours: the model has {size} random effects, and more than "
            f"{MOST_EFFECTS} are only quick with one grouping factor, at most {MOST_COEFFICIENTS} coefficients and at "
            f"most {MOST_COLUMNS} columns of X. Use parameterization='auto'."
        )
    return False


def level_by_level(statistics: Statistics, beta: BetaPrior, T: list[Any], sigma: Any) -> Any:
    """Log-density of y for one grouping factor, as a graph; beta and b are eliminated column by column."""
    root, inside, within = in_levels(statistics)
    (t,), q = T, root.shape[2]
    H = [[sum(root[:, i, a] * t[a, k] for a in range(k, q)) for k in range(q)] for i in range(q)]
    L: dict[tuple[int, int], Any] = {}
    half: list[Any] = []
    G: Any = within.T @ within + sigma**2 * beta.G if beta.G.any() else within.T @ within
    for i in range(q):
        for j in range(i + 1):
            M = float(i == j) + sum(H[i][k] * H[j][k] for k in range(q))
            rest = M - sum(L[i, k] * L[j, k] for k in range(j))
            L[i, j] = rest**0.5 if i == j else rest / L[j, j]
        ahead = sum(L[i, k][:, None] * half[k] for k in range(i))
        half.append((inside[:, i] - ahead) / L[i, i][:, None])
        G = G + (half[i][:, :, None] * half[i][:, None, :]).sum(axis=0)
    *pivots, residual = eliminated(G, statistics.rank + 1)
    log_det = 2.0 * sum(pt.log(L[i, i]).sum() for i in range(q)) + sum(map(pt.log, pivots))
    log_sigma2 = 2.0 * (statistics.n_obs - statistics.rank) * pt.log(sigma)
    return -0.5 * (log_sigma2 + log_det + residual / sigma**2 + beta.constant)


def eliminated(G: Any, size: int) -> list[Any]:
    """Pivots of a symmetric matrix (size, size): their product is its determinant."""
    pivots = [G[0, 0]]
    for _ in range(size - 1):
        column = G[1:, 0]
        G = G[1:, 1:] - column[:, None] * column[None, :] / pivots[-1]
        pivots.append(G[0, 0])
    return pivots


def in_levels(statistics: Statistics) -> tuple[Array, Array, Array]:
    """root (J, q, q), U'[Q e] (J, q, r + 1) and the root of what is outside, of one grouping factor."""
    s = statistics
    if s.first is not None:
        return s.first.root, s.first.inside, s.first.within
    assert s.core is not None
    J, q = s.layout.shapes[0]
    each = np.arange(J)
    from_U, root = basis(s.layout.dense().reshape(J, q, J, q)[each, :, each])
    return root, from_U.transpose(0, 2, 1) @ s.ZQe.reshape(J, q, -1), s.core.within


def jointly(statistics: Statistics, beta: BetaPrior, T: list[Any], sigma: Any) -> Any:
    """Log-density of y for any model, as an Op in NumPy."""
    outputs: Any = LogMarginal(statistics, beta)(sigma, *T)
    return outputs[0]


class LogMarginal(Op):
    """`density.log_marginal` in a graph: (sigma, T_1, ..) -> the log-density, and its derivatives in these."""

    __props__ = ("statistics", "beta")

    def __init__(self, statistics: Statistics, beta: BetaPrior) -> None:
        self.statistics, self.beta = statistics, beta

    def make_node(self, *inputs: Any) -> Any:
        """Outputs: a scalar, and one of the type of each input."""
        given = [pt.as_tensor(x, dtype="float64") for x in inputs]
        return Apply(self, given, [pt.dscalar(), *(x.type() for x in given)])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        """All of them at once: the derivatives cost little beyond the density."""
        sigma, *T = inputs
        value, by_T, by_sigma = log_marginal(self.statistics, self.beta, tuple(T), float(sigma))
        for output, x in zip(outputs, (value, by_sigma, *by_T), strict=True):
            output[0] = np.asarray(x)

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> Any:
        """The derivatives times the cotangent of the density."""
        return [cotangents[0] * slope for slope in outputs[1:]]

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        """The density alone can be differentiated."""
        return [[True, *(False for _ in node.inputs)] for _ in node.inputs]

    def __str__(self) -> str:
        return f"LogMarginal({len(self.statistics.groups)} grouping factors)"
