"""Which Python a formula may hold: a whitelist over ``ast``, so that a formula from a stranger runs no code.

Names are columns or names that the caller passed in; calls go to known functions only; attributes are
``np.<function>`` and ``contr.<contrasts>``. Everything else is refused before anything is evaluated.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from blupbayes.model.functions import BASES, CODING_NAMES, CODINGS, CONSTANTS, EXTRAS, UFUNCS
from blupbayes.model.scanner import fail, locate

__all__ = ["Uses", "check"]

MAX_NODES = 300  # of one expression
MAX_EXPONENT = 100
MAX_BASE = 10**6
MAX_COLUMNS = 200  # of one basis, such as poly(x, 200)

OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
OPERATORS += (ast.BitAnd, ast.BitOr)  # type: ignore[assignment]
COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
SIGNS = (ast.USub, ast.UAdd, ast.Invert)
HINTS = {
    ast.BoolOp: "write & and | with brackets instead of 'and' and 'or'",
    ast.Subscript: "make the column in the data first",
    ast.Attribute: "only np.<function> and contr.<contrasts> are known; put names with a dot in backticks",
}


@dataclass(frozen=True)
class Uses:
    """What an expression uses: names of values (columns, mostly) and names of functions."""

    values: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()

    def __or__(self, other: Uses) -> Uses:
        return Uses(self.values | other.values, self.functions | other.functions)


def check(code: str, source: str = "", names: Mapping[str, str] | None = None) -> Uses:
    """The names that an expression uses, if it holds nothing but harmless arithmetic and known shapes.

    Parameters
    ----------
    code : str
        An expression such as ``log(x + 1)``, without backticks.
    source : str
        The formula, for the error.
    names : mapping, optional
        How names of the code are written in the formula.

    Raises
    ------
    FormulaError
        If it holds anything that is not on the whitelist. Nothing is evaluated.

    Examples
    --------
    >>> sorted(check("log(x) + z").values)
    ['x', 'z']
    """
    inspector = _Inspector(code.strip(), dict(names or {}), source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(inspector.code, mode="eval")
        if sum(isinstance(node, ast.expr) for node in ast.walk(tree)) > MAX_NODES:
            raise fail("this expression is too long; make the column in the data first", source)
        inspector.visit(tree.body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise fail(f"'{inspector.written(code)}' is not an expression", source) from error
    return Uses(frozenset(inspector.values), frozenset(inspector.functions))


class _Inspector(ast.NodeVisitor):
    """Walks an expression; each node that has no method of its own is refused."""

    def __init__(self, code: str, names: dict[str, str], source: str) -> None:
        self.code, self.names, self.source = code, names, source
        self.values: set[str] = set()
        self.functions: set[str] = set()

    def written(self, text: str) -> str:
        """The text as it stands in the formula."""
        for alias, name in self.names.items():
            text = text.replace(alias, name)
        return text

    def refuse(self, node: ast.AST, reason: str) -> NoReturn:
        segment = ast.get_source_segment(self.code, node) if isinstance(node, ast.expr) else None
        text = self.written(segment or self.code)
        message = f"'{text}' is not allowed in a formula: {reason}"
        raise fail(message, self.source, locate(self.source, text), len(text))

    def generic_visit(self, node: ast.AST) -> None:
        kind = type(node).__name__
        self.refuse(
            node, HINTS.get(type(node), f"Python's {kind} is not on the list of what formulas may hold")
        )

    def visit_Name(self, node: ast.Name) -> None:
        if node.id.startswith("__"):
            self.refuse(node, "names that begin with two underscores are closed to formulas")
        self.values.add(node.id)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and (
            re.search(r"['\"`\\]", node.value) or not node.value.isprintable()
        ):
            self.refuse(node, "text with quotes or backslashes; rename the level in the data")
        if not isinstance(node.value, (str, int, float, bool, type(None))):
            self.refuse(node, "only numbers, text, True, False and None are known")

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if not isinstance(node.op, SIGNS):
            self.refuse(node, "write ~ instead of 'not'")
        self.operand(node.operand)

    def visit_Compare(self, node: ast.Compare) -> None:
        if len(node.ops) > 1 or not isinstance(node.ops[0], COMPARISONS):
            self.refuse(node, "compare two things with ==, !=, <, <=, > or >=, one comparison at a time")
        self.visit(node.left)
        self.visit(node.comparators[0])

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.BitXor):
            self.refuse(node, "'^' is no power in Python; write x**2")
        if not isinstance(node.op, OPERATORS):
            self.refuse(node, "this operator is not on the list of what formulas may hold")
        if isinstance(node.op, ast.Pow):
            self.power(node)
        self.operand(node.left)
        self.operand(node.right)

    def operand(self, node: ast.expr) -> None:
        if isinstance(node, ast.Constant) and not isinstance(node.value, (int, float)):
            self.refuse(node, "arithmetic needs numbers")
        if isinstance(node, (ast.List, ast.Tuple, ast.Dict)):
            self.refuse(node, "arithmetic needs numbers")
        self.visit(node)

    def power(self, node: ast.BinOp) -> None:
        """Refuse powers of plain numbers (integers of any length) whose digits would fill the memory."""
        if _has_value(node.left):
            return
        exponent = node.right.operand if isinstance(node.right, ast.UnaryOp) else node.right
        small = isinstance(exponent, ast.Constant) and _within(exponent.value, MAX_EXPONENT)
        numbers = [part.value for part in ast.walk(node.left) if isinstance(part, ast.Constant)]
        stacked = any(isinstance(part, ast.Pow) for part in ast.walk(node.left))
        if stacked or not (small or _has_value(node.right)) or not all(_within(n, MAX_BASE) for n in numbers):
            self.refuse(node, f"powers of numbers go up to {MAX_EXPONENT} and are not stacked")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        owner = node.value.id if isinstance(node.value, ast.Name) else None
        if owner == "contr" and node.attr in CODING_NAMES:
            self.functions.add("contr")
        elif owner == "np" and node.attr in CONSTANTS:
            self.functions.add("np")
        else:
            self.refuse(node, HINTS[ast.Attribute])

    def visit_Call(self, node: ast.Call) -> None:
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg.startswith("_"):
                self.refuse(node, "write the arguments one by one")
        name = self.called(node)
        for part in [*node.args, *(keyword.value for keyword in node.keywords)]:
            self.argument(part)
        if name == "Q":
            self.values.add(self.quoted(node))

    def called(self, node: ast.Call) -> str:
        """Name of the function that is called; its arguments are of the right number and kind."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if isinstance(node.func, ast.Attribute):
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            if owner == "np" and (node.func.attr in UFUNCS or node.func.attr in EXTRAS):
                self.functions.add("np")
                name = node.func.attr
            else:
                self.visit_Attribute(node.func)
                return f"{owner}.{node.func.attr}"
        elif not name or name.startswith("__"):
            self.refuse(node, "only known functions can be called, by their name")
        else:
            self.functions.add(name)
        self.arity(node, name)
        return name

    def arity(self, node: ast.Call, name: str) -> None:
        most = UFUNCS[name].nin if name in UFUNCS else EXTRAS.get(name, (None, len(node.args)))[1]
        if (name in UFUNCS or name in EXTRAS) and (node.keywords or not 1 <= len(node.args) <= most):
            self.refuse(node, f"numpy's {name} takes up to {most} arguments here, none of them by keyword")
        if name in BASES:
            sizes = [a for a in node.args[1:] if not isinstance(a, (ast.List, ast.Tuple))]
            sizes += [k.value for k in node.keywords if k.arg in {"df", "degree", "levels"}]
            if not all(isinstance(a, ast.Constant) and _within(a.value, MAX_COLUMNS) for a in sizes):
                self.refuse(node, f"its sizes are plain numbers up to {MAX_COLUMNS}")

    def argument(self, node: ast.expr) -> None:
        """An argument may also be a list or a dict of arguments, or a class of contrasts."""
        if isinstance(node, (ast.List, ast.Tuple)):
            for element in node.elts:
                self.argument(element)
        elif isinstance(node, ast.Dict):
            for key in node.keys:
                if not isinstance(key, ast.Constant):
                    self.refuse(node, "the keys are numbers or text")
                self.visit(key)
            for value in node.values:
                self.argument(value)
        elif isinstance(node, ast.Name) and node.id in CODINGS:
            self.functions.add(node.id)
        else:
            self.visit(node)

    def quoted(self, node: ast.Call) -> str:
        if len(node.args) != 1 or node.keywords or not isinstance(node.args[0], ast.Constant):
            self.refuse(node, "Q takes the name of a column, in quotes")
        return str(node.args[0].value)


def _has_value(node: ast.AST) -> bool:
    """Whether a column, or a value of the caller, takes part: names that are not those of functions."""
    parts = list(ast.walk(node))
    functions = [part.func for part in parts if isinstance(part, ast.Call)]
    functions += [part.value for part in parts if isinstance(part, ast.Attribute)]
    return any(isinstance(part, ast.Name) and part not in functions for part in parts)


def _within(value: object, limit: float) -> bool:
    return not isinstance(value, (int, float)) or abs(value) <= limit
