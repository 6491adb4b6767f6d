"""What is asked of batches: a formula on named columns, before a row is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from blupbayes.errors import DataError, FormulaError
from blupbayes.model.assembly import Plan, plan
from blupbayes.model.checks import check_extra, check_options
from blupbayes.model.encoding import is_column
from blupbayes.model.formula import Terms, parse
from blupbayes.model.relearning import calls_of
from blupbayes.model.side import as_side
from blupbayes.model.streamable import Call, calls, listed

__all__ = ["Question", "question"]


@dataclass(frozen=True, eq=False)
class Question:
    """A model on columns whose rows come in batches.

    Parameters
    ----------
    plan : Plan
        Which columns enter where.
    weights, offset : str, optional
        Columns or expressions.
    missing : {"raise", "drop"}
    names : tuple of str
        The columns to read.
    calls : tuple of Call
        Calls whose state all rows decide.
    listed : frozenset of str
        Columns that stand in C().
    """

    plan: Plan
    weights: str | None
    offset: str | None
    missing: str
    names: tuple[str, ...]
    calls: tuple[Call, ...]
    listed: frozenset[str]

    @property
    def asked(self) -> tuple[Any, ...]:
        """What makes two questions the same."""
        terms = self.plan.terms
        return terms, dict(self.plan.extra), self.weights, self.offset, self.missing, self.names

    @property
    def plain_values(self) -> tuple[tuple[str, str], ...]:
        """Role and text of the response, weights and offsets that are single columns."""
        pairs = [(role, text) for role, texts in self.plan.singles.items() for text in texts]
        return tuple((role, text) for role, text in pairs if is_column(text, self.names))

    @property
    def varies(self) -> bool:
        """Whether the response can be computed from each batch alone."""
        response = self.plan.terms.response
        return is_column(response, self.names) or not calls(as_side(response), self.plan.terms.text)


def question(
    formula: str | Terms,
    names: Sequence[str],
    *,
    weights: str | None = None,
    offset: str | None = None,
    missing: str = "raise",
    extra_names: Mapping[str, Any] | None = None,
) -> Question:
    """Read a formula for batches with some columns.

    Parameters
    ----------
    formula : str or Terms
        As for `design.build`.
    names : sequence of str
        Columns that every batch has.
    weights, offset : str, optional
        A column, or an expression.
    missing : {"raise", "drop"}
        What to do with rows that lack a value in a used column.
    extra_names : mapping, optional
        Numbers of the caller's that the formula may use.

    Raises
    ------
    FormulaError
        If the formula cannot be read, or a part of it cannot be made batch by batch.
    DataError
        If weights or offset are arrays, or an option is not known.

    Examples
    --------
    >>> question("y ~ scale(x) + (1 | g)", ["y", "x", "g", "h"]).names
    ('y', 'x', 'g')
    """
    terms = formula if isinstance(formula, Terms) else parse(formula)
    extra = dict(extra_names or {})
    check_options(None, missing)
    check_extra(extra)
    _numbers_only(extra)
    if not terms.bars:
        raise FormulaError(f"no group term; add one, such as '+ (1 | group)'\n  {terms.text}")
    _named("weights", weights)
    _named("offset", offset)
    planned = plan(terms, names, extra, weights, offset)
    used = {*planned.coded, *planned.groups.values()}
    return Question(
        planned,
        weights,
        offset,
        missing,
        tuple(name for name in names if name in used),
        calls_of(planned),
        frozenset(name for text in planned.sides for name in listed(text, names, extra, terms.text)),
    )


def _named(role: str, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        kind = type(value).__name__
        message = (
            f"the {role} are a {kind}, which batches cannot be matched with; make a column of them in every "
        )
        raise DataError(message + f'batch and name it: {role}="column"')


def _numbers_only(extra: Mapping[str, Any]) -> None:
    for name, value in extra.items():
        if not isinstance(value, Real):
            message = (
                f"extra name '{name}' is a {type(value).__name__}; a model from batches takes plain numbers, "
            )
            raise FormulaError(
                message + "since other things may need all rows: make the column in the data first"
            )
