"""Complete pooling and no pooling as answers: plain least squares beside what lies between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.compare import effects, rows
from blupbayes.errors import DataError
from blupbayes.frequentist.pools import Free, Pooled, complete, unpooled
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design, Group
from blupbayes.model.measures import check_rows
from blupbayes.show.sheet import compose
from blupbayes.show.summary import title
from blupbayes.show.tables import to_html, to_text

__all__ = ["CompletePooling", "NoPooling", "pool"]

Array = NDArray[np.float64]

ALIASED = "aliased: a combination of earlier columns"
HELD = "held at 0"
FEW = "the rows of this level alone do not tell"
COMMON = "not to be told from columns of X that do not vary within levels"
NO_SPREAD = "no residual degrees of freedom"


@dataclass(frozen=True, eq=False, repr=False)
class Answer:
    """What both share."""

    design: Design

    @property
    def n_obs(self) -> int:
        """Rows in the model."""
        return self.design.n_obs

    @property
    def data_hash(self) -> str:
        """SHA-256 of y, X, Z, weights and offset."""
        return self.design.hash

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the foot of a table."""
        return ()

    def tidy(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """The long table of this answer."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return to_text(compose(self.tidy(), title(self.design), self.notes, 20), 100)

    def _repr_html_(self) -> str:
        return to_html(compose(self.tidy(), title(self.design), self.notes, max_rows=40))


@dataclass(frozen=True, eq=False, repr=False)
class CompletePooling(Answer):
    """Least squares without random effects: every level has the same coefficients."""

    statistics: Statistics

    @property
    def estimator(self) -> str:
        """Label in tables."""
        return "complete pooling"

    @cached_property
    def found(self) -> Pooled:
        """Coefficients and residual sd."""
        return complete(self.statistics)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the foot of a table."""
        return (f"least squares without random effects; {degrees(self.found.df)}.",)

    def tidy(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """The long table: coefficients, b = 0 and group means that are the coefficients themselves."""
        d, f = self.design, self.found
        note = [ALIASED if np.isnan(v) else "" for v in f.beta]
        blocks = [
            estimates("fixed", self.estimator, f.beta, f.se, f.df, ci_prob, note, term=list(d.fixed_names))
        ]
        for g in d.groups:
            zeros = np.zeros(len(g.names))
            blocks.append(
                rows.block("sd", self.estimator, group=g.name, term=list(g.names), estimate=zeros, note=HELD)
            )
        blocks.append(residual_row(d, self.estimator, f.sigma))
        for g in d.groups:
            named = effects.labels(g)
            blocks.append(rows.block("b", self.estimator, **named, estimate=np.zeros(len(named["level"]))))
            shared = [k for k, name in enumerate(g.names) if name in d.fixed_names]
            place = [d.fixed_names.index(g.names[k]) for k in shared] * len(g.levels)
            keys = effects.labels(g, shared)
            text = [note[k] for k in place]
            blocks.append(
                estimates(
                    "group_mean", self.estimator, f.beta[place], f.se[place], f.df, ci_prob, text, **keys
                )
            )
        return rows.gather(blocks)


@dataclass(frozen=True, eq=False, repr=False)
class NoPooling(Answer):
    """Least squares with the coefficients of each level free, one grouping factor at a time."""

    @property
    def estimator(self) -> str:
        """Label in tables."""
        return "no pooling"

    @cached_property
    def found(self) -> tuple[Free, ...]:
        """Coefficients of the levels, by grouping factor."""
        return tuple(unpooled(self.design, g) for g in self.design.groups)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the foot of a table."""
        what = "least squares with the coefficients of every level free and one residual sd for all levels"
        if len(self.found) == 1:
            return (f"{what}; {degrees(self.found[0].df)}.",)
        sds = ", ".join(
            f"{f.sigma:.5g} with free levels of {g.name}"
            for g, f in zip(self.design.groups, self.found, strict=True)
        )
        return (f"{what}, each grouping factor on its own, the others left out; residual sd {sds}.",)

    def tidy(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """The long table: what is common and the residual sd (of one grouping factor), and group means.

        A coefficient without a fixed column of the same name has no beta to be added to: it stands among b.
        """
        d, blocks = self.design, []
        if len(self.found) == 1:
            f, label = self.found[0], self.estimator
            there = np.flatnonzero(np.isfinite(f.common)).tolist()
            names = [d.fixed_names[k] for k in there]
            note = [""] * len(there)
            blocks.append(
                estimates(
                    "fixed", label, f.common[there], f.common_se[there], f.df, ci_prob, note, term=names
                )
            )
            blocks.append(residual_row(d, label, f.sigma))
        for component in ("b", "group_mean"):
            blocks += [self.level_rows(component, k, g, ci_prob) for k, g in enumerate(d.groups)]
        return rows.gather(blocks)

    def level_rows(self, component: str, k: int, g: Group, ci_prob: float) -> pd.DataFrame:
        """Coefficients of the levels of one grouping factor, with the reason where there is none."""
        f = self.found[k]
        own = [
            j
            for j, name in enumerate(g.names)
            if (name in self.design.fixed_names) == (component == "group_mean")
        ]
        values, se, alone = f.values[:, own].ravel(), f.se[:, own].ravel(), f.alone[:, own].ravel()
        note = ["" if np.isfinite(v) else COMMON if a else FEW for v, a in zip(values, alone, strict=True)]
        keys = effects.labels(g, own)
        return estimates(component, self.estimator, values, se, f.df, ci_prob, note, **keys)


def pool(design: Design, statistics: Statistics, kind: str) -> CompletePooling | NoPooling:
    """One end of pooling.

    Raises
    ------
    DataError
        If kind is neither "complete" nor "none".
    RowsNotKeptError
        For "none", if the model keeps no rows.
    """
    if kind == "complete":
        return CompletePooling(design, statistics)
    if kind == "none":
        check_rows(design)
        return NoPooling(design)
    raise DataError(
        f"pool({kind!r}): it is 'complete' or 'none'; in between there is pooling_path(variances, taus)."
    )


def degrees(df: float) -> str:
    """Degrees of freedom in words."""
    return "residual sd known" if np.isinf(df) else f"residual sd on {df:g} degrees of freedom"


def residual_row(design: Design, label: str, sigma: float) -> pd.DataFrame:
    """The residual sd."""
    note = rows.KNOWN if design.sigma is not None else NO_SPREAD if np.isnan(sigma) else ""
    return rows.block("sd", label, group="residual", estimate=[sigma], note=note)


def estimates(
    component: str,
    label: str,
    values: Array,
    se: Array,
    df: float,
    ci_prob: float,
    note: list[str],
    **keys: Any,
) -> pd.DataFrame:
    """Rows with least-squares standard errors and their t intervals."""
    note = [NO_SPREAD if not n and np.isnan(s) else n for n, s in zip(note, se, strict=True)]
    there = np.isfinite(se)
    bounds = rows.t_interval(values, se, df, ci_prob)
    kind = list(np.where(there, "ls_se", ""))
    spread = {"uncertainty": se, "uncertainty_kind": kind}
    return rows.block(component, label, estimate=values, note=note, **spread, **bounds, **keys)
