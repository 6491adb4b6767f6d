"""What the page shows: one coefficient of the levels of one group, with what it is compared to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.compare.effects import effects, group_means
from blupbayes.errors import ComparisonError, DataError
from blupbayes.plot_tables import Tables

__all__ = ["MOST_LEVELS", "MOST_ROWS", "Block", "blocks", "chosen_groups"]

MOST_LEVELS = 60  # of one group: rows of the plot
MOST_ROWS = 120  # levels times coefficients of all groups: what keeps the page below 2 MB


@dataclass(frozen=True, eq=False)
class Block:
    """The levels of one group in one coefficient.

    Parameters
    ----------
    group, term : str
    component : {"group_mean", "b"}
        beta_k + b_jk; b_jk where there is no beta_k.
    table : DataFrame
        level, n, raw, reml, reml_sd, own, own_sd: each level alone, its BLUP with the root of its prediction-error
        variance, its posterior mean and sd under the model's own prior (NaN without one); from the highest raw value
        to the lowest.
    """

    group: str
    term: str
    component: str
    table: pd.DataFrame

    @property
    def levels(self) -> list[str]:
        """Their names, in the order of the table."""
        return self.table["level"].tolist()


def chosen_groups(design: Any, groups: Any, levels: Any) -> dict[str, list[str]]:
    """Group -> levels to show, from what a user asked for; refused where it is too much.

    Raises
    ------
    DataError
        If there is no such group or level.
    ComparisonError
        If there is nothing to show, or more than a page can hold.
    """
    if not design.groups:
        raise ComparisonError("explorer: the model has no random effects, so that nothing is shrunk.")
    known = {g.name: g for g in design.groups}
    asked = {name: None for name in ([groups] if isinstance(groups, str) else groups or known)}
    if levels is not None:
        own = levels if isinstance(levels, Mapping) else {next(iter(asked)): levels}
        asked |= dict(own)
    found = {str(name): some_levels(known, str(name), some) for name, some in asked.items()}
    check_size({name: (len(some), len(known[name].names)) for name, some in found.items()})
    return found


def some_levels(known: Mapping[str, Any], name: str, some: Any) -> list[str]:
    """The levels of one group that are asked for; None and "all" are all."""
    if name not in known:
        raise DataError(f"explorer: there is no grouping factor {name!r}; there are {', '.join(known)}.")
    own = known[name].levels
    if some is None or (isinstance(some, str) and some == "all"):
        return list(own)
    wanted = list(dict.fromkeys(map(str, np.atleast_1d(some))))
    missing = [level for level in wanted if level not in own]
    if missing:
        raise DataError(f"explorer: {name} has no level {missing[0]!r}; it has {', '.join(own[:8])} ...")
    if not wanted:
        raise DataError(f"explorer: levels of {name} are asked for, but none is named.")
    return wanted


def check_size(sizes: Mapping[str, tuple[int, int]]) -> None:
    """Refuse what a page cannot hold, with the limit and a way out."""
    way = "Show fewer with groups= or levels=; the answers still use all data."
    for name, (count, _) in sizes.items():
        if count > MOST_LEVELS:
            raise ComparisonError(
                f"explorer: {name} has {count} levels, more than the {MOST_LEVELS} that a page shows. {way}"
            )
    rows = sum(count * terms for count, terms in sizes.values())
    if rows > MOST_ROWS:
        raise ComparisonError(
            f"explorer: {rows} levels times coefficients, more than the {MOST_ROWS} that a page holds. {way}"
        )


def blocks(tables: Tables, shown: Mapping[str, Sequence[str]], exact: Any) -> list[Block]:
    """A block for every coefficient of the groups shown, in the order of the model."""
    s = tables.statistics
    found = {
        "b": effects(s.groups, tables.solved),
        "group_mean": group_means(s.groups, s.fixed_names, tables.solved),
    }
    full = None if exact is None else {"b": exact.ranef(), "group_mean": exact.group_means()}
    out = []
    for g in s.groups:
        for term in g.names if g.name in shown else ():
            component = "group_mean" if term in s.fixed_names else "b"
            own = None if full is None else full[component]
            table = beside(tables.raw, found[component], own, g.name, term)
            kept = table[table["level"].isin(list(shown[g.name]))].reset_index(drop=True)
            out.append(Block(g.name, term, component, kept))
    return out


def beside(raw: pd.DataFrame, reml: pd.DataFrame, own: Any, group: str, term: str) -> pd.DataFrame:
    """All answers of one coefficient by level, from the highest raw value to the lowest."""

    def of(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[(frame["group"] == group) & (frame["term"] == term)].set_index("level")

    plug_in, alone = of(reml), of(raw)
    columns = {
        "n": alone["n"],
        "raw": alone["estimate"],
        "reml": plug_in["estimate"],
        "reml_sd": plug_in["pev_sd"],
        "own": np.nan if own is None else of(own)["estimate"],
        "own_sd": np.nan if own is None else of(own)["posterior_sd"],
    }
    table = pd.DataFrame(columns, index=plug_in.index).rename_axis("level").reset_index()
    place = (-table["raw"].fillna(table["reml"])).argsort(kind="stable")
    return table.iloc[place].reset_index(drop=True)
