"""Design and Prior -> a plain ``pm.Model`` with beta and b in it, centred or not.

The model is written with its compiler in mind: a product with a small matrix is an elementwise product and a sum,
and no graph holds a matrix product or a Cholesky factorisation. With numba this compiles several times faster than
the same model written with ``@`` and ``pm.LKJCholeskyCov``, and runs faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from blupbayes.bayes.centering import settle
from blupbayes.bayes.correlation import correlation_root
from blupbayes.bayes.names import coordinates, level_dim
from blupbayes.bayes.propriety import check_beta, check_sampled
from blupbayes.bayes.variables import correlation, deviations, residual_sd
from blupbayes.bayes.whitening import Rescaling, Whitening, whitening
from blupbayes.errors import BlupbayesError, NewLevelError
from blupbayes.model.design import Design, Group
from blupbayes.model.measures import check_rows
from blupbayes.model.prior import Prior, read_prior
from blupbayes.model.resolved import GroupPrior, ResolvedPrior
from blupbayes.model.structure import NewRows

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["COLLAPSED", "build", "rows"]

FAMILIES = ("normal", "student_t")
COLLAPSED = "Or use parameterization='collapsed', which needs the statistics only."


def build(
    design: Design,
    prior: Prior | None = None,
    parameterization: str | Mapping[str, str] = "noncentered",
    random: str = "normal",
) -> pm.Model:
    """The hierarchical model [E-MODEL] in PyMC, to read, extend and draw.

    Parameters
    ----------
    design : Design
        Data, weights, offset and, where it is known, sigma.
    prior : Prior, optional
        None is the documented default.
    parameterization : {"noncentered", "centered", "auto"} or {group: one of the first two}
        Non-centred: z ~ N(0, 1), b = sd * (L z) with L L' the correlation matrix. Centred: c ~ N(m, Sigma),
        b = c - m, where m is beta for the coefficients that have a fixed column of the same name (in the first
        centred group that has it) and 0 for others. "auto" chooses for each group; see `centering.settle`.
    random : {"normal", "student_t"}
        Distribution of the random effects. "student_t" is a multivariate Student t by level, with degrees of
        freedom nu_g ~ Gamma(2, 0.1); sd_g is then its scale, and the sd is sd_g sqrt(nu_g / (nu_g - 2)).

    Returns
    -------
    pm.Model
        Variables `beta` (fixef), `sigma` (unless known), and for each grouping factor g `sd_g` (g_term), `corr_g`
        (g_term, g_term_bis) where coefficients are correlated, `b_g` (g, g_term), and `z_g` or `c_g` behind it; `y`
        (obs) is observed. All that follows from a variable is computed from it, so ``pm.do`` on sigma, sd_g, corr_g
        or b_g does what it says. X, the codes and columns of the groups, weights and offset are ``pm.Data``: see
        `rows` for new ones.

    Raises
    ------
    IdentifiabilityError
        If columns of X are linearly dependent and kappa = 0: the posterior of beta is improper.
    PriorError
        If the prior does not fit the model, or kappa = inf.

    Examples
    --------
    >>> import blupbayes as bb
    >>> model = build(bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).design)
    >>> sorted(variable.name for variable in model.free_RVs)
    ['beta', 'sd_Rail', 'sigma', 'z_Rail']
    """
    import pymc as pm
    from pymc.logprob.transforms import Transform

    if random not in FAMILIES:
        raise BlupbayesError(f"random={random!r} is not available: choose one of {', '.join(FAMILIES)}.")
    check_rows(design, COLLAPSED)
    ways = settle(design, parameterization).of
    resolved = read_prior(prior).resolve(design)
    check_beta(design, resolved)
    check_sampled(resolved)
    for transform in (Whitening, Rescaling):
        Transform.register(transform)
    with pm.Model(coords=coordinates(design)) as model:
        data = declared(rows(design), design)
        beta = fixed_effects(design, resolved)
        mu = data.get("offset", 0.0)
        if beta is not None:
            mu = mu + (data["X"] * beta).sum(axis=-1)
        means = group_means(design, ways, beta, whitening(design, resolved).center)
        for group, of_group in zip(design.groups, resolved.groups, strict=True):
            b = random_effects(group, of_group, resolved.corr, random, means.get(group.name))
            mu = mu + (data[f"columns_{group.name}"] * b[data[f"codes_{group.name}"]]).sum(axis=-1)
        sigma = residual_sd(resolved)
        sd = sigma / np.sqrt(data["weights"]) if "weights" in data else sigma
        pm.Normal("y", mu=mu, sigma=sd, observed=design.y, dims="obs")
    return model


def rows(of: Design | NewRows) -> dict[str, Any]:
    """What the model holds of the rows, by variable: of a design, or of ``design.encode(new_data)``, for pm.set_data.

    New rows have no weights: where the model has some, add ``{"weights": ...}`` to what this returns.

    Raises
    ------
    NewLevelError
        If new rows have levels that are not in the data: the model has no effects of them.
    """
    out: dict[str, Any] = {"X": of.X} if of.X.shape[1] else {}
    if of.offset is not None:
        out["offset"] = of.offset
    if isinstance(of, Design):
        codes, columns = ({g.name: getattr(g, kind) for g in of.groups} for kind in ("codes", "columns"))
        out |= {} if of.weights is None else {"weights": of.weights}
    else:
        codes, columns = of.codes, of.columns
        if new := {name: levels for name, levels in of.unseen.items() if levels}:
            raise NewLevelError(f"the model has no effects of {new}: leave these rows out.")
    out |= {
        f"codes_{name}": values.astype(np.int32) for name, values in codes.items()
    }  # as pm.Data keeps them
    return out | {f"columns_{name}": values for name, values in columns.items()}


def declared(values: dict[str, Any], design: Design) -> dict[str, Any]:
    """pm.Data of the rows."""
    import pymc as pm

    dims = {"X": ("obs", "fixef")} | {f"columns_{g.name}": ("obs", f"{g.name}_term") for g in design.groups}
    return {name: pm.Data(name, value, dims=dims.get(name, ("obs",))) for name, value in values.items()}


def fixed_effects(design: Design, prior: ResolvedPrior) -> Any:
    """beta (p,); None without fixed columns."""
    import pymc as pm

    if not design.fixed_names:
        return None
    options: dict[str, Any] = {"dims": "fixef", "transform": whitening(design, prior)}
    precision = prior.kappa * prior.precision
    if prior.kappa == 0:
        return pm.Flat("beta", **options)
    if np.array_equal(precision, np.diag(np.diag(precision))):
        return pm.Normal("beta", mu=prior.mean, sigma=1.0 / np.sqrt(np.diag(precision)), **options)
    return pm.MvNormal("beta", mu=prior.mean, tau=precision, **options)


def group_means(
    design: Design, ways: Mapping[str, str], beta: Any, center: Any
) -> dict[str, list[tuple[Any, float]]]:
    """{centred group: (m_k, where it is about) of its coefficients}.

    A fixed effect is the mean of one group only: the one with the fewest levels, which leaves it most uncertain.
    """
    free = {name: (beta[k], float(center[k])) for k, name in enumerate(design.fixed_names)}
    return {
        g.name: [free.pop(name, (0.0, 0.0)) for name in g.names]
        for g in sorted(design.groups, key=lambda g: len(g.levels))
        if ways[g.name] == "centered"
    }


def random_effects(
    group: Group, prior: GroupPrior, eta: float, random: str, means: list[tuple[Any, float]] | None
) -> Any:
    """b (J, q) of one grouping factor: coefficient by coefficient, given the ones before.

    With L L' = R, b_k given b_1 .. b_(k-1) is normal around sd_k sum_j L_kj z_j with sd sd_k L_kk; a multivariate t
    has the same location, and one more degree of freedom and a wider scale for each z_j that is known.
    """
    import pymc as pm
    import pytensor.tensor as pt

    name, dims = group.name, (level_dim(group.name), f"{group.name}_term")
    q = len(prior.names)
    sd = deviations(f"sd_{name}", prior.sds, dims[1])
    L = correlation_root(correlation(prior, eta), prior.blocks, q) if prior.blocks else np.eye(q)
    nu = pm.Gamma(f"nu_{name}", alpha=2.0, beta=0.1) if random == "student_t" else None
    if means is None:
        raw = spherical(f"z_{name}", nu if nu is None else nu + np.arange(q), 0.0, 1.0, dims=dims)
    z: list[Any] = []
    b: list[Any] = []
    for k in range(q):
        ahead = sum(L[k, j] * z[j] for j in range(k)) if prior.blocks else 0.0
        wider = 1.0 if nu is None else ((nu + sum(x**2 for x in z)) / (nu + k)) ** 0.5
        if means is None:
            z.append(wider * raw[:, k])
            b.append(sd[k] * (ahead + L[k, k] * z[k]))
        else:
            m, about = means[k]
            c = spherical(
                f"c_{name}_{k}",
                None if nu is None else nu + k,
                m + sd[k] * ahead,
                wider * sd[k] * L[k, k],
                dims=dims[0],
                transform=Rescaling(about, prior.scales[k]),
            )
            b.append(c - m)
            z.append((b[k] / sd[k] - ahead) / L[k, k])
    return pm.Deterministic(f"b_{name}", pt.stack(b, axis=-1), dims=dims)


def spherical(name: str, nu: Any, mean: Any, scale: Any, **options: Any) -> Any:
    """Normal, or Student t with nu degrees of freedom."""
    import pymc as pm

    if nu is None:
        return pm.Normal(name, mu=mean, sigma=scale, **options)
    return pm.StudentT(name, nu=nu, mu=mean, sigma=scale, **options)
