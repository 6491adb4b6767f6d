"""Whether one model is a special case of another one on the same data, and where in the larger one it lies.

The fixed side: col(X1) in col(X2). The random side: Var(y) is linear in the covariances of the random effects, so
every direction of the smaller model has to lie in the span of the larger one's, and covariances of the smaller have
to be covariances, that is positive semidefinite, in the larger. No (n, n) matrix is formed: all directions are
applied to a few fixed random vectors, which tells linear relations apart with probability 1.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import ComparisonError
from blupbayes.frequentist.directions import Piece, entries, images, matrices, pieces
from blupbayes.mme.least_squares import independent_columns
from blupbayes.model.design import Design

__all__ = ["Nesting", "check_same_response", "nested", "same_columns", "spans"]

Array = NDArray[np.float64]

SEED = 20
SPAN = 1e-8  # share of its size by which a direction may miss the span
NEGATIVE = 1e-7  # share of the largest eigenvalue that counts as zero
SAMPLES = 40  # covariances of the smaller model that are looked at in the larger


@dataclass(frozen=True, eq=False)
class Nesting:
    """How a smaller model lies in a larger one.

    Parameters
    ----------
    n_fixed : int
        Columns that the larger X has more, in rank.
    n_covariance : int
        Entries of theta that the larger model has more.
    small, large : list of Piece
        The random sides.
    image : array (m2, m1)
        Entries of the larger model's covariances from those of the smaller, in the bases of the pieces.
    unique : bool
        Whether the larger model's covariances are identified, so that there is one such map.
    """

    n_fixed: int
    n_covariance: int
    small: list[Piece]
    large: list[Piece]
    image: Array
    unique: bool

    @property
    def df(self) -> int:
        """Parameters that the larger model has more."""
        return self.n_fixed + self.n_covariance

    def null(self, covariances: list[Array]) -> list[Array]:
        """S (k, k) of every piece of the larger model, from those of the smaller."""
        values = [S[r, c] for S in covariances for r, c in entries(len(S))]
        return matrices(self.large, self.image @ np.array(values))

    @cached_property
    def null_spaces(self) -> list[Array]:
        """For each piece of the larger model the directions (k, d) in which the null has no variance."""
        at = self.null([np.eye(piece.size) for piece in self.small])
        top = max(float(np.linalg.norm(S, 2)) for S in at)
        out = []
        for S in at:
            values, vectors = np.linalg.eigh(S)
            out.append(vectors[:, values < NEGATIVE * top])
        return out

    @property
    def is_boundary(self) -> bool:
        """Whether the smaller model puts variances of the larger at zero."""
        return any(N.shape[1] for N in self.null_spaces)


def nested(small: Design, large: Design) -> Nesting:
    """How the smaller model lies in the larger one.

    Parameters
    ----------
    small, large : Design
        Of the same response, weights, offset and known sigma, row by row.

    Returns
    -------
    Nesting

    Raises
    ------
    ComparisonError
        If the data differ, or the smaller model is no special case of the larger.

    Examples
    --------
    >>> import blupbayes as bb
    >>> from blupbayes.frequentist.nested import nested
    >>> machines = bb.load_dataset("machines")
    >>> symmetric = bb.MixedModel("score ~ Machine + (1 | Worker) + (1 | Worker:Machine)", machines)
    >>> full = bb.MixedModel("score ~ Machine + (Machine | Worker)", machines)
    >>> found = nested(symmetric.design, full.design)
    >>> found.df, found.is_boundary
    (4, False)
    """
    check_same_response(small, large)
    if not spans(large.X, small.X):
        _refuse(
            small, large, "the fixed effects of the first are not all combinations of those of the second"
        )
    one, two = pieces(small.groups), pieces(large.groups)
    image, unique = _image(small, large, one, two)
    found = Nesting(
        len(independent_columns(large.X)) - len(independent_columns(small.X)),
        large.n_theta - small.n_theta,
        one, two, image, unique,
    )  # fmt: skip
    if unique and not _stays_positive(found):
        _refuse(
            small, large, "some of the covariances that the first allows are negative variances in the second"
        )
    return found


def _image(small: Design, large: Design, one: list[Piece], two: list[Piece]) -> tuple[Array, bool]:
    """The larger model's entries from the smaller one's (m2, m1), and whether they are unique."""
    m = sum(len(entries(piece.size)) for piece in two)
    probes = np.random.default_rng(SEED).standard_normal((small.n_obs, 2 + 2 * m // small.n_obs))
    known, wanted = images(two, probes), images(one, probes)
    size = np.linalg.norm(known, axis=0)
    solution, _, rank, _ = np.linalg.lstsq(known / size, wanted, rcond=SPAN)
    missed = np.linalg.norm(wanted - (known / size) @ solution, axis=0)
    if (missed > SPAN * np.linalg.norm(wanted, axis=0)).any():
        _refuse(small, large, "the second cannot produce the covariances of the first's random effects")
    return solution / size[:, None], bool(rank == m)


def _stays_positive(found: Nesting) -> bool:
    """Whether covariances of rank one, of which all are sums, stay positive semidefinite in the larger model."""
    rng = np.random.default_rng(SEED)
    for k, piece in enumerate(found.small):
        for x in [*np.eye(piece.size), *rng.standard_normal((SAMPLES, piece.size))]:
            at = [np.outer(x, x) if i == k else np.zeros((p.size,) * 2) for i, p in enumerate(found.small)]
            values = np.concatenate([np.linalg.eigvalsh(S) for S in found.null(at)])
            if values.min() < -NEGATIVE * np.abs(values).max():
                return False
    return True


def spans(X: Array, columns: Array) -> bool:
    """Whether all the columns (n, k) are linear combinations of those of X (n, p)."""
    return bool((independent_columns(np.hstack([X, columns])) < X.shape[1]).all())


def same_columns(one: Design, two: Design) -> bool:
    """Whether two fixed sides span the same columns."""
    return spans(one.X, two.X) and spans(two.X, one.X)


def check_same_response(one: Design, two: Design) -> None:
    """Refuse models of different rows, responses, weights, offsets or known residual sds.

    Raises
    ------
    ComparisonError
        With both numbers of rows and the first digits of both hashes.
    """
    if _digest(one) != _digest(two):
        raise ComparisonError(
            f"{one.formula!r} and {two.formula!r} are fitted to different data: {one.n_obs} vs {two.n_obs} rows, "
            f"hash {_digest(one)[:8]} vs {_digest(two)[:8]} (of y, weights, offset and sigma). "
            "Fit both to the same rows of the same table; drop missing values before."
        )


def _digest(design: Design) -> str:
    """sha256 of what two nested models have to share."""
    n = design.n_obs
    arrays = (
        design.y,
        np.ones(n) if design.weights is None else design.weights,
        np.zeros(n) if design.offset is None else design.offset,
    )
    digest = hashlib.sha256(repr(design.sigma).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=float).data)
    return digest.hexdigest()


def _refuse(small: Design, large: Design, why: str) -> None:
    """Say why the models are not nested."""
    raise ComparisonError(
        f"{small.formula!r} is not nested in {large.formula!r}: {why}, so there is no likelihood-ratio test. "
        "Compare their AIC or BIC instead."
    )
