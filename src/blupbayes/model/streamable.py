"""Which expressions can be made batch by batch: most row by row, some after one pass, others not at all."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from formulaic.parser.types import Factor
from formulaic.utils.code import format_expr
from numpy.typing import NDArray

from blupbayes.model.functions import BASES
from blupbayes.model.names import written
from blupbayes.model.scanner import fail, locate
from blupbayes.model.side import Side, compile_side

__all__ = ["Call", "Moments", "calls", "listed"]

Array = NDArray[np.float64]

# positions and defaults of what follows the first argument: centre, scale, degrees of freedom
DEFAULTS: dict[str, dict[str, Any]] = {
    "center": {"center": True, "scale": False, "ddof": 1},
    "scale": {"center": True, "scale": True, "ddof": 1},
    "standardize": {"center": True, "rescale": True, "ddof": 0},
}
LATER = "make the column in the data first"
ADVICE = {"poly": f"write powers, such as x + I(x**2), or {LATER}"}


@dataclass(frozen=True)
class Moments:
    """Number, mean and sum of squared deviations of values, kept apart so that no digits are lost far from 0."""

    n: int = 0
    mean: float = 0.0
    deviations: float = 0.0

    @classmethod
    def of(cls, values: Array) -> Moments:
        """Those of values (n,)."""
        if not len(values):
            return cls()
        mean = float(np.mean(values))
        return cls(len(values), mean, float(np.sum((values - mean) ** 2)))

    def __add__(self, other: Moments) -> Moments:
        """Those of both together (Chan, Golub and LeVeque 1983)."""
        if not self.n or not other.n:
            return self if self.n else other
        n, gap = self.n + other.n, other.mean - self.mean
        between = gap**2 * self.n * other.n / n
        return Moments(n, self.mean + gap * other.n / n, self.deviations + other.deviations + between)


@dataclass(frozen=True)
class Call:
    """A call of center, scale or standardize.

    Parameters
    ----------
    text : str
        As formulaic names its state, with the names of the formula.
    argument : str
        What is centred or scaled: a column or an expression.
    center, scale : bool or float
        Whether the mean is subtracted and the sd divided out, or the numbers to use.
    ddof : float
        Subtracted from the number of rows under the sd.
    """

    text: str
    argument: str
    center: bool | float
    scale: bool | float
    ddof: float

    def state(self, moments: Moments) -> dict[str, Any]:
        """What formulaic learns from all rows, from their moments."""
        flag = self.center is True
        origin = moments.mean if flag else None if self.center is False else float(self.center)
        spread = None if self.scale is False else float(self.scale)
        if self.scale is True:
            shift = moments.mean - (origin or 0.0)
            squares = moments.deviations + moments.n * shift**2
            with np.errstate(all="ignore"):
                spread = float(np.sqrt(np.float64(squares) / (moments.n - self.ddof)))
        return {"ddof": self.ddof, "center": _number(origin), "scale": _number(spread)}


def _number(value: float | None) -> np.float64 | None:
    return None if value is None else np.float64(value)


def calls(text: str, source: str) -> tuple[Call, ...]:
    """The calls of a right side whose state all rows decide.

    Raises
    ------
    FormulaError
        If a part needs all rows at once: it is named, with what to do.
    """
    if text == "1":
        return ()
    side = compile_side(text, source)
    found = [call for tree in _expressions(side) for call in _calls(tree, side, source)]
    return tuple(dict.fromkeys(found))


def listed(text: str, columns: Collection[str], extra: Collection[str], source: str) -> tuple[str, ...]:
    """The columns that stand in C(): all their values are levels."""
    if text == "1":
        return ()
    side = compile_side(text, source)
    sources = side.sources(columns, extra, source)
    coded = [
        tree.args[0] for tree in _expressions(side) if isinstance(tree, ast.Call) and _called(tree) == "C"
    ]
    names = [node.id for node in coded if isinstance(node, ast.Name)]
    return tuple(dict.fromkeys(sources[name] for name in names if name in sources))


def _expressions(side: Side) -> Iterator[ast.expr]:
    for term in side.formula:
        for factor in term.factors:
            if factor.eval_method is Factor.EvalMethod.PYTHON:
                yield ast.parse(factor.expr.strip(), mode="eval").body


def _called(node: ast.AST) -> str:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _calls(tree: ast.expr, side: Side, source: str) -> Iterator[Call]:
    for node in ast.walk(tree):
        name = _called(node)
        text = written(format_expr(node), side.aliases) if name and isinstance(node, ast.Call) else ""
        if name in BASES:
            raise _refusal(text, "needs all rows at once", ADVICE.get(name, LATER), source)
        if name == "C" and not _plain_coding(node, tree):
            raise _refusal(
                text, "has levels that only all rows can tell", f"{LATER}, and write C(column)", source
            )
        if name in DEFAULTS and isinstance(node, ast.Call):
            yield _call(node, name, text, side, source)


def _plain_coding(node: ast.AST, tree: ast.expr) -> bool:
    """Whether it is C(column, ...), standing alone."""
    if node is not tree or not isinstance(tree, ast.Call):
        return False
    return bool(tree.args) and isinstance(tree.args[0], ast.Name)


def _call(node: ast.Call, name: str, text: str, side: Side, source: str) -> Call:
    if any(_called(part) in DEFAULTS for part in ast.walk(node) if part is not node):
        raise _refusal(text, "holds one transform of all rows in another", LATER, source)
    names = list(DEFAULTS[name])
    given = dict(zip(names, node.args[1:], strict=False)) | {k.arg: k.value for k in node.keywords}
    if not node.args or not all(k in names and _constant(v) for k, v in given.items()):
        raise _refusal(text, "takes one column, and plain numbers after it", LATER, source)
    values = DEFAULTS[name] | {k: ast.literal_eval(v) for k, v in given.items()}
    return Call(text, written(format_expr(node.args[0]), side.aliases), *values.values())


def _constant(node: ast.expr) -> bool:
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(inner, ast.Constant) and isinstance(inner.value, (bool, int, float))


def _refusal(text: str, problem: str, advice: str, source: str) -> Exception:
    message = f"'{text}' {problem}, and a model from batches sees them batch by batch; {advice}"
    return fail(message, source, locate(source, text), len(text))
