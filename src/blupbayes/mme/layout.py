"""Order and storage of the random-effect blocks of the mixed model equations.

Eliminating a grouping factor fills in the factors that cross it, and leaves alone those it is nested in.
So the longest *chain* of nested factors is eliminated first, block-diagonal all the way, and only what
crosses the chain, the *tail*, is stored dense. A small model is all tail: one dense block is faster there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from blupbayes.mme.coupling import Cross, Link, SparseCoupling, tail_times, tail_transposed_times
from blupbayes.mme.crossed import Span, sparse_coupling, sparse_tail_product, tail_product
from blupbayes.mme.memory import predict, require

__all__ = ["Block", "Layout", "Span", "arrange"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

DENSE_LIMIT = 128  # up to so many random effects the whole system is one dense block
SPARSE_FROM = 1_000_000  # couplings with more entries than this are kept sparse where they mostly are zero
SPARSE_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Block:
    """One grouping factor of the chain: Z'WZ by level (J, q, q), links to later chain blocks, coupling to the tail."""

    group: int
    start: int
    D: Array
    links: tuple[Link, ...]
    tail: Array | SparseCoupling  # (J, q, t)

    @property
    def stop(self) -> int:
        """End of its rows in the layout's order."""
        return self.start + int(self.D.shape[0]) * int(self.D.shape[1])

    def view(self, x: Array) -> Array:
        """Its rows of x (q_total, m) as (J, q, m)."""
        J, q, _ = self.D.shape
        return x[self.start : self.stop].reshape(J, q, x.shape[1])


@dataclass(frozen=True, eq=False)
class Layout:
    """Z'WZ in the order of elimination: a chain of nested blocks, then a dense tail.

    ``A``: (t, t), the tail's own cross-product, sparse behind a chain. ``offsets``: first row of each grouping
    factor, in the order of the model's groups.
    """

    chain: tuple[Block, ...]
    tail: tuple[Span, ...]
    A: Array | sp.csr_array
    offsets: tuple[int, ...]
    shapes: tuple[tuple[int, int], ...]

    @property
    def tail_start(self) -> int:
        """First row of the tail."""
        return self.chain[-1].stop if self.chain else 0

    @property
    def size(self) -> int:
        """q, the number of random effects."""
        return self.tail_start + int(self.A.shape[0])

    def dense(self) -> Array:
        """A new array (t, t): A."""
        return np.array(self.A) if isinstance(self.A, np.ndarray) else np.asarray(self.A.toarray())

    def levels(self, s: Span) -> Array:
        """Level blocks (J, q, q) on the diagonal of A, for one group of the tail."""
        row = s.start + np.arange(s.J)[:, None, None] * s.q + np.arange(s.q)[:, None]
        row, col = np.broadcast_arrays(row, row.transpose(0, 2, 1))
        return np.asarray(self.A[row.ravel(), col.ravel()]).reshape(row.shape)

    def split(self, x: Array) -> tuple[Array, ...]:
        """x (q, m) in the layout's order -> one (J, q_k, m) per grouping factor, in the model's order."""
        return tuple(
            x[o : o + J * q].reshape(J, q, x.shape[1])
            for o, (J, q) in zip(self.offsets, self.shapes, strict=True)
        )

    def join(self, parts: Sequence[Array]) -> Array:
        """One (J, q_k, m) per grouping factor, in the model's order -> (q, m) in the layout's order."""
        x = np.empty((self.size, parts[0].shape[2]))
        for o, part in zip(self.offsets, parts, strict=True):
            x[o : o + part.shape[0] * part.shape[1]] = part.reshape(-1, part.shape[2])
        return x

    def multiply(self, x: Array) -> Array:
        """Z'WZ x, for x (q, m)."""
        out = np.empty_like(x)
        x_tail = x[self.tail_start :]
        out[self.tail_start :] = self.A @ x_tail
        for block in self.chain:
            block.view(out)[...] = block.D @ block.view(x)
        for block in self.chain:
            mine = block.view(x)
            for link in block.links:
                other = self.chain[link.position]
                block.view(out)[...] += link.values @ other.view(x)[link.ancestor]
                link.add_to(other.view(out), link.values.transpose(0, 2, 1) @ mine)
            block.view(out)[...] += tail_times(block.tail, x_tail)
            out[self.tail_start :] += tail_transposed_times(block.tail, mine)
        return out

    def describe(self) -> str:
        """The storage in words, a line per block."""
        lines = [f"chain: group {b.group}, {len(b.D)} blocks of {b.D.shape[1]}" for b in self.chain]
        lines += [f"tail (dense): group {s.group}, {s.J} x {s.q}" for s in self.tail]
        return "\n".join(lines)


def nested_chain(
    shapes: Sequence[tuple[int, int]], nested: Mapping[tuple[int, int], bool]
) -> tuple[int, ...]:
    """The chain of groups, each nested in all later ones, that leaves the smallest tail."""

    def extend(chain: tuple[int, ...]) -> list[tuple[int, ...]]:
        more = [
            extend((*chain, j))
            for j in range(len(shapes))
            if j not in chain and all(nested.get((i, j), False) for i in chain)
        ]
        return [chain, *(c for longer in more for c in longer)]

    chains = [c for k in range(len(shapes)) for c in extend((k,))]
    return max(chains, key=lambda c: (sum(shapes[k][0] * shapes[k][1] for k in c), shapes[c[0]][0]))


def arrange(
    diagonals: Sequence[Array],
    crosses: Mapping[tuple[int, int], Cross],
    names: Sequence[str] | None = None,
    columns: int = 2,
) -> Layout:
    """Order the blocks and choose their storage.

    Parameters
    ----------
    diagonals : sequence of array
        Z_k'W Z_k by level, (J_k, q_k, q_k), one per grouping factor.
    crosses : mapping
        (i, j), i < j -> Cross.
    names : sequence of str, optional
        Of the grouping factors, for errors.
    columns : int
        r + 1 of [Q e]: how much the fixed side takes.

    Raises
    ------
    TooLargeError
        If the model will not fit into memory.
    """
    shapes = tuple((len(D), D.shape[1]) for D in diagonals)
    chain: tuple[int, ...] = ()
    if sum(J * q for J, q in shapes) > DENSE_LIMIT:
        pairs = {(i, j): len(c.rows) for (i, j), c in crosses.items()}
        chain = chosen_chain(shapes, pairs)
        couplings = [storage(k, chain, shapes, pairs) for k in chain]
        need = predict(shapes, chain, pairs, couplings, columns)
        require(need, shapes, names or [f"grouping factor {k + 1}" for k in range(len(shapes))])
    both = dict(crosses) | {(j, i): c.transposed() for (i, j), c in crosses.items()}
    return assemble(chain, shapes, diagonals, both)


def chosen_chain(shapes: Sequence[tuple[int, int]], pairs: Mapping[tuple[int, int], int]) -> tuple[int, ...]:
    """The chain for so many pairs of levels that meet: factor i is nested in j if each of its levels meets one."""
    nested = {(i, j): m == shapes[i][0] for (i, j), m in pairs.items()}
    nested |= {(j, i): m == shapes[j][0] for (i, j), m in pairs.items()}
    chain = nested_chain(shapes, nested)
    return chain[:1] if len(chain) > 1 and too_wide(chain, shapes) else chain


def storage(
    k: int, chain: Sequence[int], shapes: Sequence[tuple[int, int]], pairs: Mapping[tuple[int, int], int]
) -> tuple[int, int]:
    """How many numbers the coupling of a chain block to the tail holds, and how many indices: 0 if it is dense."""
    J, q = shapes[k]
    others = [j for j in range(len(shapes)) if j not in chain]
    t = sum(shapes[j][0] * shapes[j][1] for j in others)
    nnz = sum(pairs[min(k, j), max(k, j)] * shapes[j][1] for j in others)
    sparse = len(chain) == 1 and J * q * t > SPARSE_FROM and nnz < SPARSE_SHARE * J * t
    return (nnz * q, nnz) if sparse else (J * q * t, 0)


def too_wide(chain: tuple[int, ...], shapes: Sequence[tuple[int, int]]) -> bool:
    """Whether the chain's couplings to the tail are too large to be dense, as a chain of several blocks needs."""
    tail = sum(J * q for k, (J, q) in enumerate(shapes) if k not in chain)
    return sum(shapes[k][0] * shapes[k][1] for k in chain) * tail > 20 * SPARSE_FROM


def assemble(
    chain: tuple[int, ...],
    shapes: tuple[tuple[int, int], ...],
    diagonals: Sequence[Array],
    both: Mapping[tuple[int, int], Cross],
) -> Layout:
    """Build the layout for a given chain."""
    starts = np.cumsum([0, *(shapes[k][0] * shapes[k][1] for k in chain)])
    spans, t = [], 0
    for k, (J, q) in enumerate(shapes):
        if k not in chain:
            spans.append(Span(k, t, J, q))
            t += J * q
    pairs = {pair: len(c.rows) for pair, c in both.items()}
    blocks = tuple(
        Block(
            k,
            int(starts[i]),
            diagonals[k],
            tuple(link(i, j, chain, shapes, both) for j in range(i + 1, len(chain))),
            coupling(k, spans, t, shapes, both, sparse=storage(k, chain, shapes, pairs)[1] > 0),
        )
        for i, k in enumerate(chain)
    )
    offsets = {b.group: b.start for b in blocks} | {s.group: int(starts[-1]) + s.start for s in spans}
    product = sparse_tail_product if chain else tail_product
    return Layout(
        blocks,
        tuple(spans),
        product(spans, t, diagonals, both),
        tuple(offsets[k] for k in range(len(shapes))),
        shapes,
    )


def link(
    i: int,
    j: int,
    chain: tuple[int, ...],
    shapes: Sequence[tuple[int, int]],
    both: Mapping[tuple[int, int], Cross],
) -> Link:
    """Coupling of the i-th chain block to the j-th, in which it is nested."""
    cross = both[chain[i], chain[j]]
    J, J_up = shapes[chain[i]][0], shapes[chain[j]][0]
    gather = sp.csr_array((np.ones(J), (cross.cols, np.arange(J))), shape=(J_up, J))
    return Link(j, cross.cols, cross.values, gather)


def coupling(
    k: int,
    spans: Sequence[Span],
    t: int,
    shapes: Sequence[tuple[int, int]],
    both: Mapping[tuple[int, int], Cross],
    *,
    sparse: bool,
) -> Array | SparseCoupling:
    """Z_k'W Z_tail, dense (J, q, t) or sparse."""
    J, q = shapes[k]
    if sparse:
        return sparse_coupling(k, spans, t, shapes, both)
    parts = [both[k, s.group].dense((J, s.J)).reshape(J, q, s.J * s.q) for s in spans]
    return np.concatenate(parts, axis=2) if parts else np.zeros((J, q, 0))
