"""An answer from elsewhere as one more column: a table of estimates, or draws."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.bayes.summary import describe
from blupbayes.compare import rows
from blupbayes.compare.elsewhere import known_of
from blupbayes.compare.foreign_draws import holds_draws, posterior_group, read_draws
from blupbayes.compare.foreign_table import foreign_rows, read_table, some
from blupbayes.errors import ComparisonError
from blupbayes.show.sheet import compose
from blupbayes.show.tables import to_html, to_text

__all__ = ["External", "ExternalDraws", "ExternalTable", "external"]

Array = NDArray[np.float64]

UNCHECKED = "an answer from elsewhere; it was not checked that its data are these."
OTHER_LEVEL = "interval left out: it was given at another level"


@dataclass(frozen=True, eq=False, repr=False)
class External:
    """What both kinds share.

    Parameters
    ----------
    estimator : str
        Label in tables.
    notes : tuple of str
        That the data were not checked, and what was not read.
    """

    estimator: str
    notes: tuple[str, ...]

    def tidy(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """The long table of this answer."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return to_text(compose(self.tidy(), self.estimator, self.notes, 20), 100)

    def _repr_html_(self) -> str:
        return to_html(compose(self.tidy(), self.estimator, self.notes, max_rows=40))


@dataclass(frozen=True, eq=False, repr=False)
class ExternalTable(External):
    """Estimates that another program has printed; ``table`` is their long table."""

    table: pd.DataFrame

    def tidy(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """The long table; intervals of another level are left out, and a note says so."""
        table = self.table.assign(estimator=self.estimator)
        other = table["ci_prob"].notna() & ~np.isclose(table["ci_prob"], ci_prob)
        table.loc[other, ["ci_lb", "ci_ub", "ci_prob"]] = np.nan
        table.loc[other, "ci_kind"] = ""
        table.loc[other & (table["note"] == ""), "note"] = OTHER_LEVEL
        return table[rows.COLUMNS]


@dataclass(frozen=True, eq=False, repr=False)
class ExternalDraws(External):
    """Draws that another program has made; ``keys`` (k) say what of, ``draws`` is (chain, draw, k)."""

    keys: tuple[tuple[str, str, str, str], ...]
    draws: Array

    def tidy(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """The long table: means, sds, equal-tailed intervals, Monte Carlo errors."""
        found = describe(self.draws, ci_prob)
        component, group, level, term = (list(column) for column in zip(*self.keys, strict=True))
        table = rows.block(
            "", self.estimator, group=group, level=level, term=term, estimate=found["mean"], uncertainty=found["sd"],
            uncertainty_kind="posterior_sd", ci_lb=found.iloc[:, 3], ci_ub=found.iloc[:, 4], ci_kind="eti",
            ci_prob=ci_prob, mcse=found["mcse_mean"], ess_bulk=found["ess_bulk"], r_hat=found["r_hat"],
        )  # fmt: skip
        return table.assign(component=pd.Series(component, dtype="str"))


def external(name: str, frame: Any, *, like: Any = None, ci_prob: float = 0.95) -> External:
    """An answer from elsewhere, to stand beside ours in ``bb.compare``.

    Parameters
    ----------
    name : str
        Its label.
    frame : DataFrame, path of a CSV file, or draws (xarray DataTree, Dataset, InferenceData, DataFrame)
        A table has a column estimate and any of component, group, level, term, uncertainty, uncertainty_kind, ci_lb,
        ci_ub; or the columns that broom.mixed's ``tidy`` gives for lme4 (effect, group, level, term, estimate,
        std.error). Draws have the names of Bambi (``1|Subject``), brms (``r_Subject[308,Days]``) or ``to_pymc``.
    like : MixedModel, optional
        Whose words are to be used: it turns lme4's ``b:a`` with level ``b1:a1`` into ``a:b`` with ``a1:b1``, and
        ``MachineB`` into ``Machine[T.B]``.
    ci_prob : float
        Level of the intervals in a table that does not say it.

    Returns
    -------
    External
        ``tidy()`` is its long table, ``notes`` say what could not be read. Its data cannot be checked.

    Raises
    ------
    ComparisonError
        If there are no rows, no estimates, an unknown component, or no draws of a mixed model.

    Examples
    --------
    >>> import pandas as pd
    >>> import blupbayes as bb
    >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    >>> lme4 = pd.DataFrame({"effect": ["fixed"], "term": ["(Intercept)"], "estimate": [66.5], "std.error": [10.17]})
    >>> both = bb.compare(model.fit(), bb.external("lme4", lme4, like=model))
    >>> both.to_dataframe("wide").xs("estimate", axis=1, level=1).iloc[0].to_dict()
    {'REML': 66.5, 'lme4': 66.5}
    """
    known, label = known_of(like), str(name)
    group = None if isinstance(frame, str | Path | pd.DataFrame | dict) else posterior_group(frame)
    table = group if group is not None else as_frame(frame)
    if group is not None or ("estimate" not in table and holds_draws(table)):
        keys, draws, unread = read_draws(table, known)
        notes = [f"not read: {some(unread)}."] if unread else []
        notes += foreign_rows(pd.DataFrame(keys, columns=rows.KEYS), known)
        return ExternalDraws(label, (UNCHECKED, *notes), tuple(keys), draws)
    if "estimate" not in table:
        raise ComparisonError(
            f"external: no column 'estimate' (there are {', '.join(map(str, table.columns)) or 'none'}), and no draws "
            "of a mixed model. Rename the column that holds the estimates."
        )
    found, notes = read_table(table, known, ci_prob)
    return ExternalTable(label, (UNCHECKED, *notes), found)


def as_frame(data: Any) -> pd.DataFrame:
    """A pandas data frame of whatever was given."""
    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, str | Path):
        try:
            return pd.read_csv(data)
        except (OSError, ValueError) as error:
            raise ComparisonError(f"external: cannot read {data} as a CSV file: {error}.") from error
    if callable(getattr(data, "to_pandas", None)):
        return pd.DataFrame(data.to_pandas())
    if isinstance(data, dict):
        return pd.DataFrame(data)
    raise ComparisonError(
        f"external: cannot read a {type(data).__name__}. Give a data frame, the path of a CSV file, or draws with a "
        "posterior group."
    )
