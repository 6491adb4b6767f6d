"""Names in a formula, and the columns of a table that they stand for."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Collection, Mapping

from blupbayes.model.expressions import Uses
from blupbayes.model.functions import FUNCTIONS
from blupbayes.model.scanner import fail, listing, locate, suggestion

__all__ = ["missing_column", "plain", "resolve", "restored", "same_name", "written"]

TEXT_OR_NAME = re.compile(r"\"[^\"]*\"|'[^']*'|`[^`]*`|\\|(?<![\w.])(?![\d.])[\w.]+")


def plain(text: str, source: str = "") -> tuple[str, dict[str, str]]:
    """The text with an ASCII name for each name that Python would not read as it is, and the way back.

    These are names in backticks, names with a dot (as in R), and names that Python would fold to other
    letters (the micro sign to the Greek mu).

    Examples
    --------
    >>> plain("x + log(`my column`)")
    ('x + log(quoted_0_)', {'quoted_0_': 'my column'})
    """
    prefix = "quoted_"
    while prefix in text:
        prefix = f"{prefix}x_"
    aliases: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        token = match[0]
        if token == "\\":
            raise fail("a formula holds no backslashes", source, locate(source, token))
        if token[0] in "'\"" or (token[0] != "`" and not _unusual(token, text[match.end() :])):
            return token
        name = token.strip("`")
        if token[0] == "`" and name.isidentifier() and not _unusual(name, "") and name not in _TAKEN:
            return name
        return aliases.setdefault(name, f"{prefix}{len(aliases)}_")

    changed = TEXT_OR_NAME.sub(replace, text)
    return changed, {alias: name for name, alias in aliases.items()}


_TAKEN = {*FUNCTIONS, "np", "contr", *keyword.kwlist}
_STATEMENTS = set(keyword.kwlist) - {
    "False",
    "None",
    "True",
    "and",
    "else",
    "for",
    "if",
    "in",
    "is",
    "lambda",
    "not",
    "or",
}


def _unusual(name: str, rest: str) -> bool:
    """Whether a bare name is none for Python; `rest` is what follows it."""
    dotted = "." in name and not rest.lstrip().startswith("(") and name.split(".")[0] not in {"np", "contr"}
    return (dotted and name != ".") or unicodedata.normalize("NFKC", name) != name or name in _STATEMENTS


def restored(name: str, aliases: Mapping[str, str]) -> str:
    """The name of a column of a matrix with the names of the formula, in backticks inside calls."""
    for alias, own in aliases.items():
        name = re.sub(rf"(?:^|(?<=:)){alias}", lambda _, own=own: own, name)  # type: ignore[misc]
        name = name.replace(alias, f"`{own}`")
    return name


def written(code: str, aliases: Mapping[str, str]) -> str:
    """An expression with the names of the formula, each that was replaced in backticks."""
    for alias, own in aliases.items():
        code = code.replace(alias, f"`{own}`")
    return code


def same_name(name: str, columns: Collection[str]) -> str | None:
    """The column of that name, or the one that differs only in how Unicode writes it."""
    if name in columns:
        return name
    folded = unicodedata.normalize("NFKC", name)
    return next((column for column in columns if unicodedata.normalize("NFKC", column) == folded), None)


def missing_column(name: str, columns: Collection[str], where: str = "in the data") -> str:
    """Text of the error for a column that is not there, without the formula."""
    return f"no column '{name}' {where} (columns: {listing(columns)}).{suggestion(name, columns)}"


def resolve(
    uses: Uses,
    columns: Collection[str],
    extra: Collection[str] = (),
    source: str = "",
    aliases: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The column of the data for each value of an expression that is not one of the caller's own names.

    Raises
    ------
    FormulaError
        If a name is neither a column nor one of the caller's, a function is not known, or a name is used
        as both.
    """
    found: dict[str, str] = {}
    for name in sorted(uses.values):
        own = (aliases or {}).get(name, name)
        column = same_name(own, columns)
        if column is not None:
            found[name] = column
        elif name not in extra:
            raise fail(missing_column(own, columns), source, locate(source, own), len(own))
    for name in sorted(uses.functions):
        if name in found:
            message = f"'{name}' is a column here and a function there; put the column in backticks"
            raise fail(message, source, locate(source, name), len(name))
        if name not in FUNCTIONS and name not in extra and name not in {"np", "contr"}:
            _unknown_function((aliases or {}).get(name, name), extra, source)
    return found


def _unknown_function(name: str, extra: Collection[str], source: str) -> None:
    hint = suggestion(name, [*FUNCTIONS, *extra]) or " Make the column in the data first."
    if name == "offset":
        hint = " Write '+ offset(x)' as a term of its own."
    message = f"the function '{name}' is not known to formulas.{hint}"
    raise fail(message, source, locate(source, name), len(name))
