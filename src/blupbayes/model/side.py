"""One right side (``1 + x * f``) in formulaic's hands: its terms, and the names that it uses."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from formulaic import Formula
from formulaic.formula import StructuredFormula
from formulaic.parser import DefaultFormulaParser
from formulaic.parser.types import ASTNode, Factor

from blupbayes.model.expressions import Uses, check
from blupbayes.model.names import plain, resolve, restored
from blupbayes.model.scanner import addends, fail, locate

__all__ = ["Side", "as_side", "compile_side", "explicit", "shown"]

MAX_TERMS = 4096
MAX_FACTORS = 10  # of one interaction


@dataclass(frozen=True, eq=False)
class Side:
    """A right side that has been read and found harmless.

    Parameters
    ----------
    text : str
        As written.
    formula : formulaic.Formula
        Its terms, with plain names.
    aliases : dict
        What plain names stand for, where they are not the names of the text.
    uses : Uses
        Plain names of values and functions in calls.
    lookups : Uses
        Plain names of columns that stand alone.
    """

    text: str
    formula: Any
    aliases: Mapping[str, str]
    uses: Uses
    lookups: Uses

    def sources(self, columns: Collection[str], extra: Collection[str], source: str) -> dict[str, str]:
        """The column of the table for each plain name; the caller's own names stand in calls only."""
        found = resolve(self.lookups, columns, (), source, self.aliases)
        called = Uses(self.uses.values | self.lookups.values, self.uses.functions)
        return found | resolve(called, columns, extra, source, self.aliases)


@lru_cache(maxsize=512)
def compile_side(text: str, source: str = "") -> Side:
    """Read a right side; nothing is evaluated, and nothing is read that could not be evaluated safely.

    Raises
    ------
    FormulaError
        If formulaic cannot read it, if it holds more than arithmetic on columns and known functions, or if
        it would expand to more terms than anyone wants.
    """
    if any(piece == "." for _, piece, _ in addends(text)):
        raise fail("'.' stands for no columns here; write their names", source, locate(source, "."))
    changed, aliases = plain(text, source)
    try:
        small = _n_terms(DefaultFormulaParser().get_ast(changed)) <= MAX_TERMS
        formula = Formula(changed if small else "1")
    except Exception as error:  # formulaic's own, and Python's on calls that it cannot read
        reason = str(error).split("\n")[0].replace("⧛", "'").replace("⧚", "'")
        reason = restored(reason, aliases) or type(error).__name__
        reason = "'.' stands for no columns here" if "`.` operator" in reason else reason
        if reason.startswith("Missing operator"):
            reason += " Names with spaces or brackets stand in `backticks`."
        raise fail(f"'{shown(text)}' cannot be read: {reason}", source) from error
    if not small or isinstance(formula, StructuredFormula):
        problem = "is not a sum of terms" if small else f"expands to more than {MAX_TERMS} terms"
        raise fail(f"'{text}' {problem}", source)
    lookups, uses = _uses(formula, source, aliases)
    return Side(text, formula, aliases, uses, lookups)


def as_side(text: str) -> str:
    """The right side whose only column is the value of an expression."""
    return f"0 + I({text})"


def shown(text: str) -> str:
    """A right side as the user wrote it."""
    return text[len("0 + I(") : -1] if text.startswith("0 + I(") else text


def _n_terms(root: Any) -> int:
    """Upper bound of the number of terms, from formulaic's tree and before anything is expanded."""
    nodes = [root] if isinstance(root, ASTNode) else []
    for node in nodes:
        nodes.extend(child for child in node.args if isinstance(child, ASTNode))
    counts: dict[int, int] = {}
    for node in reversed(nodes):
        sizes = [counts.get(id(child), 1) for child in node.args]
        counts[id(node)] = min(_expanded(node, sizes), 10**9)
    return counts.get(id(root), 1)


def _expanded(node: Any, sizes: list[int]) -> int:
    symbol = node.operator.symbol
    if len(sizes) < 2 or symbol == "-":
        return sizes[0] if sizes else 1
    a, b = sizes[0], sizes[1]
    if symbol in {"**", "^"}:
        power = str(node.args[1])
        return int(a ** int(power)) if re.fullmatch(r"[0-9]{1,2}", power) else 10**9
    return {"+": a + b, ":": a * b}.get(symbol, a + b + a * b)


def _uses(formula: Any, source: str, aliases: Mapping[str, str]) -> tuple[Uses, Uses]:
    """Names of columns that stand alone, and all that calls use."""
    lookups, uses = Uses(), Uses()
    for term in formula:
        if len(term.factors) > MAX_FACTORS:
            raise fail(f"an interaction of more than {MAX_FACTORS} columns", source)
        for factor in term.factors:
            if factor.eval_method is Factor.EvalMethod.LOOKUP:
                lookups |= Uses(frozenset([factor.expr]))
            elif factor.eval_method is Factor.EvalMethod.PYTHON:
                uses |= check(factor.expr, source, aliases)
    return lookups, uses


@lru_cache(maxsize=512)
def explicit(text: str) -> str:
    """A right side in which the intercept is not silent: ``"1 + x"`` for ``"x"``."""
    silent = not any(piece in {"0", "1"} for _, piece, _ in addends(text))
    return text if not silent else f"1 {text}" if text.startswith("-") else f"1 + {text}"
