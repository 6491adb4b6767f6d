"""Random models for tests: one model as data frame and formula, and the same by hand as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from oracle import Family, Oracle, profiled


@dataclass(frozen=True)
class Block:
    """A grouping factor: J levels, q coefficients; ``places``: (row, column, place in theta) in T."""

    name: str
    J: int
    q: int
    places: tuple[tuple[int, int, int], ...]

    def T(self, theta):
        """T (q, q), lower triangular, relative to sigma."""
        T = np.zeros((self.q, self.q), dtype=np.asarray(theta).dtype)
        for row, column, k in self.places:
            T[row, column] = theta[k]
        return T


@dataclass(frozen=True)
class RandomDesign:
    """A random model as data frame and formula, and the same by hand as arrays; Z's columns go block by
    block (order of first appearance in the formula), level by level (sorted), coefficient fastest.
    """

    formula: str
    frame: pd.DataFrame
    y: np.ndarray
    X: np.ndarray
    Z: np.ndarray
    fixed_names: tuple[str, ...]
    blocks: tuple[Block, ...]
    theta: np.ndarray
    weights: np.ndarray | None
    offset: np.ndarray | None

    def T(self, theta=None):
        """T per block, at theta or the true one."""
        return tuple(block.T(self.theta if theta is None else theta) for block in self.blocks)

    def Lam(self, theta=None):
        """Lam (q, q), block diagonal: the T of each block once per level."""
        return block_diag(*(np.kron(np.eye(k.J), T) for k, T in zip(self.blocks, self.T(theta), strict=True)))

    def oracle(self, sigma=1.0, theta=None):
        """The oracle at Sigma = sigma^2 Lam Lam'."""
        Lam = self.Lam(theta)
        return Oracle(self.y, self.X, self.Z, sigma**2 * Lam @ Lam.T, sigma, self.weights, self.offset)

    def entries(self, theta):
        """Entries of T T' (m,) at the free places, in theta's order."""
        out = np.zeros(len(theta), dtype=np.asarray(theta).dtype)
        for k in self.blocks:
            Omega = k.T(theta) @ k.T(theta).T
            for row, column, place in k.places:
                out[place] = Omega[row, column]
        return out

    def gamma(self, theta, sigma, coordinates):
        """Parameters (m + 1,) of ``family`` at (theta, sigma)."""
        if coordinates == "Sigma":
            return np.append(sigma**2 * self.entries(theta), sigma**2)
        return np.append(theta if coordinates == "theta" else self.entries(theta), 2 * np.log(sigma))

    def family(self, coordinates, sigma=None):
        """The model in (entries of Sigma, sigma^2), (entries of Omega, log sigma^2) or (theta, log sigma^2).

        A known ``sigma`` is none of the parameters.
        """
        flat = self.oracle(1.0, np.zeros(len(self.theta)))
        m, W_inv = len(self.theta), flat.V
        E = [
            block_diag(*(np.kron(np.eye(k.J), symmetric(k.T(unit))) for k in self.blocks))
            for unit in np.eye(m)
        ]
        basis = np.array([self.Z @ each @ self.Z.T for each in E])

        def V(gamma):
            inner, last = gamma[:m], gamma[m] if sigma is None else None
            if coordinates == "theta":
                inner = self.entries(inner)
            free = last if coordinates == "Sigma" or last is None else np.exp(last)
            s2 = free if sigma is None else sigma**2
            return (1.0 if coordinates == "Sigma" else s2) * np.tensordot(inner, basis, 1) + s2 * W_inv

        return Family(flat.e, flat.estimable.X, V)

    def criterion(self, theta, method, sigma=None):
        """Profiled criterion at theta (m,), real or complex."""
        return self.profiled(theta, method, sigma)[0]

    def profiled(self, theta, method, sigma=None):
        """(criterion, sigma) at theta (m,)."""
        known = {"weights": self.weights, "offset": self.offset, "sigma": sigma}
        return profiled(self.y, self.X, self.Z, self.Lam(theta), method, **known)


def symmetric(M):
    """The symmetric matrix with the lower triangle of M."""
    return np.tril(M) + np.tril(M, -1).T


# name: (bars as the formula writes them, the same as (group, coefficients, structure))
BARS = {
    "intercept": ("(1 | a)", [("a", "1", "full")]),
    "slope": ("(x | a)", [("a", "1x", "full")]),
    "diagonal": ("(x || a)", [("a", "1x", "diagonal")]),
    "slope_only": ("(0 + x | a)", [("a", "x", "full")]),
    "split": ("(1 | a) + (0 + x | a)", [("a", "1", "full"), ("a", "x", "full")]),
    "crossed": ("(1 | a) + (1 | c)", [("a", "1", "full"), ("c", "1", "full")]),
    "crossed_slopes": ("(x | a) + (x || c)", [("a", "1x", "full"), ("c", "1x", "diagonal")]),
    "nested": ("(1 | a/b)", [("a", "1", "full"), ("a:b", "1", "full")]),
    "three": ("(1 | d) + (x | a) + (1 | c)", [("d", "1", "full"), ("a", "1x", "full"), ("c", "1", "full")]),
}
# three coefficients in a group: where orders matter
WIDE = {
    "wide": ("(x + shift | a)", [("a", "1xs", "full")]),
    "beside": ("(x | a) + (0 + shift | a)", [("a", "1x", "full"), ("a", "s", "full")]),
}
KINDS = (*BARS, "slope weights", "crossed offset", "nested weights offset", "slope deficient", "balanced")
UNBALANCED = KINDS[:-1]


def random_design(rng: np.random.Generator, kind: str = "slope") -> RandomDesign:
    """A random model of 60 rows: a key of BARS and any of the words weights, offset, deficient, balanced.

    Unbalanced unless balanced is asked (then 180 rows); deficient adds the column x2 = 1 + 2 x after x.
    """
    words = kind.split()
    known = BARS | WIDE
    text, bars = known[next((word for word in words if word in known), "intercept")]
    frame = _frame(rng, balanced="balanced" in words)
    columns = {"Intercept": np.ones(len(frame)), "x": frame["x"].to_numpy()}
    if "deficient" in words:
        columns["x2"] = frame["x2"].to_numpy()
    columns |= {f"f[T.{level}]": (frame["f"] == level).to_numpy(float) for level in ("v", "w")}
    X = np.column_stack(list(columns.values()))
    Z, blocks, theta = _random_part(rng, frame, bars)
    weights = frame["weight"].to_numpy() if "weights" in words else None
    offset = frame["shift"].to_numpy() if "offset" in words else None
    draw = RandomDesign("", frame, np.zeros(len(X)), X, Z, tuple(columns), blocks, theta, weights, offset)
    noise = rng.normal(size=len(X)) / np.sqrt(1.0 if weights is None else weights)
    y = X @ rng.normal(size=X.shape[1]) * 3 + 2.0 * (Z @ draw.Lam() @ rng.normal(size=Z.shape[1]) + noise)
    y = y + (0.0 if offset is None else offset)
    formula = f"y ~ x + {'x2 + ' if 'x2' in columns else ''}f + {text}"
    return replace(draw, formula=formula, frame=frame.assign(y=y), y=y)


def _frame(rng, balanced):
    cells = np.array(list(np.ndindex(6, 2, 5, 3)))  # a, b within a, c, d
    share = rng.dirichlet(np.full(6, 3.0))[cells[:, 0]]
    chosen = rng.choice(len(cells), size=60, replace=False, p=share / share.sum())
    rows = cells if balanced else cells[chosen]
    n = len(rows)
    frame = pd.DataFrame({"x": rng.normal(size=n), "f": rng.choice(["u", "v", "w"], size=n)})
    frame["x2"] = 1 + 2 * frame["x"]
    frame["f"] = pd.Categorical(frame["f"], categories=["u", "v", "w"])
    for name, codes in zip("abcd", rows.T, strict=True):
        frame[name] = [f"{name}{code}" for code in codes]
    return frame.assign(weight=rng.uniform(0.3, 3.0, size=n), shift=rng.normal(size=n))


def _random_part(rng, frame, bars):
    places: dict[str, list[tuple[int, int, int]]] = {}
    coefficients: dict[str, str] = {}
    theta: list[float] = []
    for group, names, structure in bars:
        start = len(coefficients.get(group, ""))
        for column in range(len(names)):
            for row in range(column, len(names)) if structure == "full" else [column]:
                places.setdefault(group, []).append((start + row, start + column, len(theta)))
                theta.append(rng.uniform(0.5, 1.5) if row == column else rng.uniform(-0.6, 0.6))
        coefficients[group] = coefficients.get(group, "") + names
    Z, blocks = [], []
    for group, names in coefficients.items():
        label = frame[group.split(":")].agg(":".join, axis=1)
        levels = sorted(set(label))
        values = {"1": np.ones(len(frame)), "x": frame["x"].to_numpy(), "s": frame["shift"].to_numpy()}
        Z += [(label == level).to_numpy(float) * values[name] for level in levels for name in names]
        blocks.append(Block(group, len(levels), len(names), tuple(places[group])))
    return np.column_stack(Z), tuple(blocks), np.array(theta)
