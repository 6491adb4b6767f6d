"""From the parts of a formula and a table to the parts of a design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError, FormulaError
from blupbayes.model.checks import vector
from blupbayes.model.coding import coded
from blupbayes.model.columns import Columns, learn, used_by
from blupbayes.model.encoding import Encoding, GroupEncoding, columns_of_value, learn_value
from blupbayes.model.expressions import Uses
from blupbayes.model.formula import Terms
from blupbayes.model.grouping import Grouping, learn_factor, learn_grouping
from blupbayes.model.names import resolve
from blupbayes.model.scanner import unquoted
from blupbayes.model.side import explicit
from blupbayes.model.structure import Group, Part, assemble
from blupbayes.model.table import Table, incomplete, missing_text, settled

__all__ = ["Plan", "assembled", "grouped", "plan"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Plan:
    """Which columns of a table enter where.

    Parameters
    ----------
    terms : Terms
        The formula.
    extra : mapping
        Names of the caller's.
    singles : dict
        Single columns or expressions, by their role: response, weights, offset.
    coded : tuple of str
        Columns that enter a matrix or a value.
    groups : dict
        For each grouping factor its column.
    """

    terms: Terms
    extra: Mapping[str, Any]
    singles: Mapping[str, tuple[str, ...]]
    coded: tuple[str, ...]
    groups: Mapping[str, str]

    @property
    def sides(self) -> tuple[str, ...]:
        """The right sides that make columns, each once."""
        return tuple(dict.fromkeys([self.fixed, *(bar.lhs for bar in self.terms.bars)]))

    def column(self, text: str) -> str:
        """The column of the table that a single value is."""
        return next(iter(columns_of_value(text, self.coded, self.extra, self.terms.text).values()))

    @property
    def groupings(self) -> dict[frozenset[str], tuple[str, ...]]:
        """The columns of each grouping factor, in the order in which the formula first names them."""
        found: dict[frozenset[str], tuple[str, ...]] = {}
        for bar in self.terms.bars:
            found.setdefault(frozenset(bar.group), bar.group)
        return found

    @property
    def fixed(self) -> str:
        """The fixed side; with its intercept made explicit it is often the same as a bar's."""
        return explicit(self.terms.fixed)


def plan(terms: Terms, names: Sequence[str], extra: Mapping[str, Any], weights: Any, offset: Any) -> Plan:
    """Find the columns of the table that the formula, the weights and the offset use.

    Raises
    ------
    FormulaError
        If a name is not there, with a caret under it.
    """
    offsets = (*terms.offsets, *([offset] if isinstance(offset, str) else []))
    values = {"response": (terms.response,), "offset": offsets}
    values["weights"] = (weights,) if isinstance(weights, str) else ()
    grouping = dict.fromkeys(name for bar in terms.bars for name in bar.group)
    empty = Plan(terms, extra, values, (), {})
    found = [used_by(text, names, extra, terms.text) for text in empty.sides]
    found += [columns_of_value(text, names, extra, terms.text) for texts in values.values() for text in texts]
    used = {column for columns in found for column in columns.values()}
    coded = tuple(name for name in names if name in used)
    return replace(empty, coded=coded, groups=resolve(Uses(frozenset(grouping)), names, (), terms.text))


def assembled(plan: Plan, table: Table, weights: Any, offset: Any, missing: str) -> dict[str, Any]:
    """Read the rows and make the arrays of a design; `Design`'s fields without hash and sigma."""
    frame, labels = table.take(list(dict.fromkeys([*plan.coded, *plan.groups.values()])))
    vectors = {"weights": weights, "offset": offset}
    given = {
        role: vector(value, role, len(frame), labels)
        for role, value in vectors.items()
        if value is not None and not isinstance(value, str)
    }
    keep = _complete(frame, given, missing)
    n_dropped = len(frame) - int(keep.sum())
    if n_dropped:
        frame, labels = frame[keep].reset_index(drop=True), labels[keep]
        given = {role: value[keep] for role, value in given.items()}
    if not len(frame):
        raise DataError(f"there are no rows{' without missing values' if n_dropped else ''}")
    return {**_arrays(plan, settled(frame), given), "n_dropped": n_dropped, "rows": labels}


def _complete(frame: pd.DataFrame, given: Mapping[str, Array], missing: str) -> NDArray[np.bool_]:
    """The rows (n,) to keep."""
    bad, counts = incomplete(frame, given)
    if counts and missing == "raise":
        n_bad, n = int(bad.sum()), len(frame)
        text = missing_text(n_bad, n, counts)
        raise DataError(f'{text} Pass missing="drop" (in the shell: --missing drop) to fit {n - n_bad} rows.')
    return ~bad


def _arrays(plan: Plan, frame: pd.DataFrame, given: Mapping[str, Array]) -> dict[str, Any]:
    """The arrays of the complete rows, and how to make them again."""
    matrices = coded(frame, plan.coded)
    source = plan.terms.text
    sides = {text: learn(text, matrices, plan.extra, source) for text in plan.sides}
    values = {
        role: [learn_value(role, text, matrices, plan.extra, source) for text in texts]
        for role, texts in plan.singles.items()
    }
    groups, encodings = grouped(plan, sides, _learned(plan, frame))
    X, fixed = sides[plan.fixed]
    weights = [given[role] for role in given if role == "weights"] + [array for array, _ in values["weights"]]
    offsets = [given[role] for role in given if role == "offset"] + [array for array, _ in values["offset"]]
    dtypes = {name: matrices[name].dtype for name in plan.coded}
    learned = tuple(value for _, value in values["offset"])
    return {
        "formula": source,
        "response": unquoted(plan.terms.response),
        "y": values["response"][0][0],
        "X": X,
        "fixed_names": fixed.names,
        "groups": groups,
        "weights": weights[0] if weights else None,
        "offset": np.sum(offsets, axis=0) if offsets else None,
        "encoding": Encoding(fixed, encodings, learned, dtypes, "offset" in given),
    }


def _learned(plan: Plan, frame: pd.DataFrame) -> dict[frozenset[str], tuple[Grouping, Any]]:
    """Levels and codes (n,) of each grouping factor; b:a is a:b, under the first name."""
    factors = {name: learn_factor(frame[column].rename(name)) for name, column in plan.groups.items()}
    return {key: learn_grouping(names, factors) for key, names in plan.groupings.items()}


def grouped(
    plan: Plan,
    sides: Mapping[str, tuple[Array, Columns]],
    learned: Mapping[frozenset[str], tuple[Grouping, Any]],
) -> tuple[tuple[Group, ...], dict[str, GroupEncoding]]:
    """The groups of the formula, and how to make them on new rows.

    Parameters
    ----------
    plan : Plan
    sides : mapping
        For each right side its matrix (n, k), and how its columns are made.
    learned : mapping
        For each grouping factor, as the set of its columns, its levels and the codes (n,) of the rows.
    """
    parts, texts = [], []
    for bar in plan.terms.bars:
        grouping, codes = learned[frozenset(bar.group)]
        made, side = sides[bar.lhs]
        if not side.names:
            raise FormulaError(f"the group term {bar} has no columns; write (1 | {':'.join(bar.group)})")
        own = tuple(factor.name for factor in grouping.factors)
        parts.append(Part(own, grouping.labels, codes, made, side.names, bar.structure))
        texts.append(bar.lhs)
    groups = assemble(parts)
    encodings = {
        group.name: GroupEncoding(
            learned[frozenset(group.factors)][0],
            tuple(plan.groups[name] for name in group.factors),
            tuple(sides[texts[term.position]][1] for term in group.terms),
        )
        for group in groups
    }
    return groups, encodings
