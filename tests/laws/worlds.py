"""Random worlds in which laws are tried: a random design, how strong its random effects are, how it is stored.

LAWS_EXAMPLES=1000 in the environment searches at random instead of repeating the fixed examples.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import blupbayes as bb
from blupbayes.mme import layout
from conftest import STORAGES
from contract import close
from random_models import KINDS, RandomDesign, random_design

# A search stops when it promises less than 1e-10 deviance units and takes one step more; the rest is rounding.
CRITERION = 1e-9
# That last step squares an error of 1e-5 standard errors; 1e-6 leaves four digits for directions that are flat.
ESTIMATE = 1e-6
# At known variances nothing is searched: rounding times the condition of the random designs, about 1e4.
SOLUTION = 1e-10
# The same floating-point numbers in another order.
ROUNDING = 1e-12

SIGMA = 1.7


def examples(count: int = 20):
    """How many worlds a law is tried in; the same ones in every run, unless LAWS_EXAMPLES asks for a search."""
    search = os.environ.get("LAWS_EXAMPLES")
    return settings(
        max_examples=int(search or count), derandomize=search is None, deadline=None, database=None
    )


@dataclass(frozen=True)
class World:
    """A random design ``d`` with its own numbers ``rng``, a method, and what stands beside it in a formula."""

    d: RandomDesign
    rng: np.random.Generator
    method: str

    @property
    def bars(self) -> str:
        """The random side of the formula."""
        return self.d.formula.split(" f + ")[1]

    @property
    def fixed(self) -> str:
        """The fixed side of the formula."""
        return self.d.formula.split(" + (")[0].split("~ ")[1]

    @property
    def kept(self) -> list[int]:
        """Columns of X that earlier ones do not give."""
        return self.d.oracle().kept

    @property
    def n_criterion(self) -> int:
        """n for ML, n - r for REML."""
        return len(self.d.y) - (len(self.kept) if self.method == "REML" else 0)

    @property
    def variances(self) -> dict[str, object]:
        """Covariances of the random effects, and the residual sd: arguments of ``solve``."""
        parts = zip(self.d.blocks, self.d.T(), strict=True)
        return {k.name: SIGMA**2 * T @ T.T for k, T in parts} | {"residual": SIGMA}

    def changed(self, groups: dict[str, np.ndarray]) -> dict[str, object]:
        """The same for b -> M b, M (q, q) by group."""
        return {
            name: groups[name] @ V @ groups[name].T if name in groups else V
            for name, V in self.variances.items()
        }

    def named(self, fit) -> dict[str, object]:
        """The same with the names of the coefficients, for models that order them differently."""
        axes = {name: fit.variances[name].index for name in fit.variances.groups}
        return {
            name: pd.DataFrame(value, axes[name], axes[name]) if name in axes else value
            for name, value in self.variances.items()
        }

    def model(self, formula=None, frame=None, *, weights=None, offset=None, **columns) -> bb.MixedModel:
        """The model, with another formula, another frame or other columns in it."""
        frame = self.d.frame if frame is None else frame
        weights = "weight" if weights is None and self.d.weights is not None else weights
        offset = "shift" if offset is None and self.d.offset is not None else offset
        return bb.MixedModel(
            formula or self.d.formula, frame.assign(**columns), weights=weights, offset=offset
        )

    def fit(self, *arguments, **columns):
        """The same, fitted."""
        return self.model(*arguments, **columns).fit(self.method)

    def solve(self, *arguments, kappa=0.0, **columns):
        """The same, solved at the true variances."""
        return self.model(*arguments, **columns).solve(self.variances, kappa)


def world(kind: str, seed: int, strength: float, method: str) -> World:
    """A random design whose random effects are ``strength`` times as large as its theta says."""
    rng = np.random.default_rng(seed)
    d = random_design(rng, kind)
    noise = rng.normal(size=len(d.y)) / np.sqrt(1.0 if d.weights is None else d.weights)
    b = strength * d.Lam() @ rng.normal(size=d.Z.shape[1])
    y = d.X @ rng.normal(size=d.X.shape[1]) + 2.0 * (d.Z @ b + noise)
    y = y if d.offset is None else y + d.offset
    return World(replace(d, y=y, frame=d.frame.assign(y=y)), rng, method)


def law(kinds=KINDS, strengths=(0.0, 0.1, 0.3, 1.0, 3.0), count=20, also=(), **more) -> Callable:
    """Try a law in many worlds and every storage; ``more`` are strategies of its own arguments.

    ``also``: worlds in which it once failed, as (kind, seed, strength, method, storage) and its own arguments.
    """
    drawn = {
        "kind": st.sampled_from(kinds),
        "seed": st.integers(0, 2**32 - 1),
        "strength": st.sampled_from(strengths),
        "method": st.sampled_from(("ML", "REML")),
        "storage": st.sampled_from(tuple(STORAGES)),
    }

    def decorate(check: Callable) -> Callable:
        def run(kind, seed, strength, method, storage, **own):
            with pytest.MonkeyPatch.context() as patch:
                for name, value in STORAGES[storage].items():
                    patch.setattr(layout, name, value)
                check(world(kind, seed, strength, method), **own)

        run.__name__, run.__doc__, run.__module__ = check.__name__, check.__doc__, check.__module__
        test = given(**drawn, **more)(run)
        for case in also:
            test = example(**dict(zip((*drawn, *more), case, strict=True)))(test)
        return examples(count)(test)

    return decorate


def powers(low: float, high: float):
    """Numbers between 10^low and 10^high, even in the exponent."""
    return st.floats(low, high).map(lambda x: float(10.0**x))


def same_estimates(found, base, *, shift=0.0, unit=1.0, change=None, tolerance=ESTIMATE):
    """The estimates of one model said of another: criterion + shift, sigma in another unit, Sigma -> M Sigma M'.

    ``change``: M (q, q) of a group in the order of its coefficients in base; else unit times the identity.
    """
    assert found.converged and base.converged
    assert found.is_boundary == base.is_boundary
    assert found.criterion == pytest.approx(base.criterion + shift, rel=ROUNDING, abs=CRITERION)
    assert found.sigma == pytest.approx(unit * base.sigma, rel=tolerance)
    for group in base.variances.groups:
        Sigma = base.variances[group]
        M = (change or {}).get(group, unit * np.eye(len(Sigma)))
        expected = M @ (Sigma.to_numpy() + base.sigma**2 * np.eye(len(Sigma))) @ M.T
        actual = found.variances[group].loc[Sigma.index, Sigma.columns] + base.sigma**2 * M @ M.T
        close(actual, expected, tolerance=tolerance)


def same_effects(found: pd.DataFrame, base: pd.DataFrame, *, unit=1.0, tolerance=SOLUTION, rename=None):
    """BLUPs and both their spreads, level by level whatever the order; ``rename``: (group, level) -> new level."""
    keys = ["group", "level", "term"]
    base = base.copy()
    if rename is not None:
        base["level"] = [rename(g, v) for g, v in zip(base["group"], base["level"], strict=True)]
    base, found = base.set_index(keys), found.set_index(keys)
    assert set(found.index) == set(base.index)
    size = np.linalg.norm(unit * base[["estimate", "pev_sd"]])
    for name in ("estimate", "cond_sd", "pev_sd"):
        close(found.loc[base.index, name], unit * base[name], size, tolerance)


def same_posterior(found, base, change: Callable[[int], np.ndarray], tolerance=SOLUTION):
    """b -> M b in mean and in both covariances, M = change(group) (q, q)."""
    for k, b in enumerate(base.posterior.b):
        M = change(k)
        close(found.posterior.b[k], b @ M.T, np.linalg.norm(b @ M.T) + SIGMA, tolerance)
        for name in ("cond_cov", "pev"):
            close(
                getattr(found.posterior, name)[k],
                M @ getattr(base.posterior, name)[k] @ M.T,
                tolerance=tolerance,
            )


def fitted(w: World, answer) -> np.ndarray:
    """X beta (n,), aliased columns left out."""
    return w.d.X @ np.nan_to_num(answer.beta.to_numpy())
