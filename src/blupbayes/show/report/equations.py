"""A design as equations: its rows, its random effects, its residuals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blupbayes.show.report.notation import (
    Math,
    aligned,
    both,
    fraction,
    joined,
    letter,
    matrix,
    number,
    op,
    row,
    sub,
    sup,
    total,
    words,
)
from blupbayes.show.report.pieces import Formula

__all__ = ["explained", "model_formula"]

MOST = 4  # columns that are written out; more become a sum
SHORT = 3  # terms that stand in one line
MATRIX = 3  # coefficients whose covariance matrix is written out
BETA, B, EPS = letter("β", r"\beta"), letter("b"), letter("ε", r"\varepsilon")
SIGMA, BIG, RHO = (
    letter("\N{GREEK SMALL LETTER SIGMA}", r"\sigma"),
    letter("Σ", r"\Sigma"),
    letter("\N{GREEK SMALL LETTER RHO}", r"\rho"),
)
ROW, LEVEL, K, X, Z, W = (letter(x) for x in "ijkxzw")
NORMAL, IS, DIST, PLUS = letter("N", r"\mathrm{N}"), op("=", "="), op("\N{TILDE OPERATOR}", r"\sim"), op("+")
COMMA = op(",")


def model_formula(design: Any) -> Formula:
    """The whole model, a line for each of its parts."""
    lines = [
        *mean_lines(design),
        *(effect_line(g, len(design.groups) > 1) for g in design.groups),
        residual_line(design),
    ]
    found = aligned(lines)
    return Formula(found.mathml, found.latex)


def mean_lines(design: Any) -> Iterator[tuple[Math | None, Math, Math]]:
    """y_i = fixed + offset + random + residual, a line for each group."""
    first = [*fixed_sum(design)]
    if design.has_offset:
        first.append(sub(letter("o"), ROW))
    parts = [joined(first, PLUS)] if first else []
    parts += [random_sum(g) for g in design.groups]
    parts[-1] = row(parts[-1], PLUS, sub(EPS, ROW))
    if len(first) + sum(len(g.names) for g in design.groups) <= SHORT:
        parts = [joined(parts, PLUS)]
    yield sub(words(design.response), ROW), IS, parts[0]
    for part in parts[1:]:
        yield None, PLUS, part


def fixed_sum(design: Any) -> list[Math]:
    """beta_0 + beta_1 x_1i + ..., written out where that is short."""
    names = design.fixed_names
    if len(names) > MOST:
        k, p = number("1"), number(str(len(names)))
        return [row(total(K, k, p), sub(BETA, K), sub(X, row(K, ROW)))]
    start = 0 if "Intercept" in names else 1
    return [times(sub(BETA, number(str(start + k))), name) for k, name in enumerate(names)]


def times(coefficient: Math, name: str) -> Math:
    """A coefficient times its column; the column of ones is not written."""
    return coefficient if name == "Intercept" else row(coefficient, sub(words(name), ROW))


def random_sum(group: Any) -> Math:
    """The random effects of one group for row i."""
    level = row(words(group.name), op("["), ROW, op("]"))
    names = group.names
    if len(names) == 1:
        return times(sub(B, level), names[0])
    if len(names) > MOST:
        k, q = number("1"), number(str(len(names)))
        return row(total(K, k, q), sub(B, row(K, COMMA, level)), sub(Z, row(K, ROW)))
    return joined(
        [times(sub(B, row(number(str(k)), COMMA, level)), name) for k, name in enumerate(names)], PLUS
    )


def effect_line(group: Any, several: bool) -> tuple[Math, Math, Math]:
    """How the effects of a level are distributed."""
    name, q = words(group.name), len(group.names)
    each = words(f", for each level j of {group.name}")
    if q == 1:
        spread = both(SIGMA, name, number("2"))
        return sub(B, LEVEL), DIST, row(NORMAL, op("("), number("0"), COMMA, spread, op(")"), each)
    if q > MATRIX:
        left = row(
            op("("),
            sub(B, row(number("1"), LEVEL)),
            COMMA,
            op("…", r"\dots"),
            COMMA,
            sub(B, row(number(str(q)), LEVEL)),
            op(")"),
        )
        return left, DIST, row(NORMAL, op("("), number("0"), COMMA, sub(BIG, name), op(")"), each)
    left = matrix([[sub(B, row(number(str(k)), COMMA, LEVEL))] for k in range(q)])
    return left, DIST, row(NORMAL, op("("), number("0"), COMMA, covariance(group, several), op(")"), each)


def covariance(group: Any, several: bool) -> Math:
    """Sigma of a group, zeros where the model has no correlation; names it where there are several."""
    free = {
        (i, j)
        for term in group.terms
        if term.structure == "full"
        for i in range(term.start, term.stop)
        for j in range(term.start, term.stop)
    }

    def of(*indices: int) -> Math:
        place = number("".join(map(str, indices)))
        return row(words(group.name), COMMA, place) if several else place

    def cell(i: int, j: int) -> Math:
        if i == j:
            return both(SIGMA, of(i), number("2"))
        if (i, j) not in free:
            return number("0")
        low, high = sorted((i, j))
        rho = sub(RHO, words(group.name)) if several else RHO
        rho = rho if len(group.names) == 2 else sub(RHO, of(low, high))
        return row(rho, sub(SIGMA, of(low)), sub(SIGMA, of(high)))

    q = range(len(group.names))
    return matrix([[cell(i, j) for j in q] for i in q])


def residual_line(design: Any) -> tuple[Math, Math, Math]:
    """How residuals are distributed; sigma's value where it is known."""
    variance = sup(SIGMA, number("2"))
    if design.has_weights:
        variance = fraction(variance, sub(W, ROW))
    known = [] if design.sigma is None else [COMMA, SIGMA, IS, number(f"{design.sigma:g}"), words(" (known)")]
    return sub(EPS, ROW), DIST, row(NORMAL, op("("), number("0"), COMMA, variance, op(")"), *known)


def explained(design: Any) -> list[str]:
    """What stands behind the letters, where a formula alone does not say it."""
    out = []
    if len(design.fixed_names) > MOST:
        named = ", ".join(f"x{k} = {name}" for k, name in enumerate(design.fixed_names, start=1))
        out.append(f"Columns of the fixed side: {named}.")
    for g in design.groups:
        if len(g.names) > MOST:
            named = ", ".join(f"z{k} = {name}" for k, name in enumerate(g.names, start=1))
            out.append(f"Columns of the random side for {g.name}: {named}.")
    return out
