"""Sites that share statistics instead of rows: the model of all rows together, from the models of the sites."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.merge import merged
from blupbayes.model.measures import ColumnMoments
from blupbayes.model.stored_measures import StoredGroup
from blupbayes.model.streamed import StreamedDesign, StreamedGroup
from blupbayes.model.vocabulary import Column, Vocabulary
from blupbayes.stream.reduction import Reduced

__all__ = ["together"]

Index = NDArray[np.intp]
Site = tuple[StreamedDesign, Reduced]


def together(one: Site, other: Site) -> Site:
    """The model of the rows of both sites.

    Parameters
    ----------
    one, other : pair of StreamedDesign and Reduced

    Raises
    ------
    DataError
        If they are of different models, or of the same rows.
    """
    (a, mine), (b, theirs) = one, other
    check_same_model(a, b)
    design = StreamedDesign.of(joint_words(a, b))
    places = (places_of(a, design), places_of(b, design))
    J = [len(group.levels) for group in design.groups]
    sums = merged(mine.sums, theirs.sums, places, J)
    groups = tuple(
        joint_group(x, p, y, q, n)
        for x, p, y, q, n in zip(mine.groups, places[0], theirs.groups, places[1], J, strict=True)
    )
    moments = {name: m.merged(theirs.moments[name]) for name, m in mine.moments.items()}
    return design, Reduced(sums, moments, groups, joint_median(mine, theirs))


def check_same_model(a: StreamedDesign, b: StreamedDesign) -> None:
    """Refuse two models that are not the same one on other rows."""
    pairs = {
        "formulas": (a.formula, b.formula),
        "weights": (a.words.weights, b.words.weights),
        "offsets": (a.words.offset, b.words.offset),
        "residual sds": (a.sigma, b.sigma),
        "numbers of their own": (dict(a.words.extra), dict(b.words.extra)),
        "columns of X": (list(a.fixed_names), list(b.fixed_names)),
    }
    names = [g.name for g in a.groups]
    pairs |= {
        f"coefficients of '{x.name}'": (list(x.names), list(y.names))
        for x, y in zip(a.groups, b.groups, strict=False)
    }
    for what, (first, second) in pairs.items():
        if first != second:
            raise DataError(
                f"the statistics cannot be merged: the sites have different {what}, {first} and {second}; "
                "they must ask the same model" + (HINT if "of" in what else "")
            )
    if a.words.moments:
        call = next(iter(a.words.moments))
        raise DataError(
            f"the statistics cannot be merged: each site has its own mean and sd in '{call}'; agree on numbers and "
            "write them into the formula, such as I((x - 50) / 10)"
        )
    if a.hash == b.hash:
        raise DataError(
            f"the statistics cannot be merged: both are of the same {a.n_obs} rows, which would count twice "
            f"(groups {', '.join(names)}); give each site once"
        )


HINT = ". Where a site lacks a level of a category, name all of them in the formula: C(x, levels=['a', 'b', 'c'])"


def joint_words(a: StreamedDesign, b: StreamedDesign) -> Vocabulary:
    """What both sites' batches hold together."""
    one, other = a.words, b.words
    columns = {name: joint_column(name, one.columns[name], other.columns[name]) for name in one.names}
    combinations = {}
    for names in one.combinations:
        parts = [decoded(words, names, design, columns) for words, design in ((one, a), (other, b))]
        combinations[names] = np.union1d(*parts)
    return replace(
        one,
        columns=columns,
        combinations=combinations,
        n_obs=one.n_obs + other.n_obs,
        n_dropped=one.n_dropped + other.n_dropped,
        hash=hashlib.sha256("".join(sorted([one.hash, other.hash])).encode()).hexdigest(),
    )


def joint_column(name: str, one: Column, other: Column) -> Column:
    """One column of both sites, its levels in order."""
    if one.kind != other.kind and {one.kind, other.kind} != {"int", "float"}:
        raise DataError(
            f"the statistics cannot be merged: column '{name}' holds {one.kind} at one site and {other.kind} "
            "at the other"
        )
    kind = one.kind if one.kind == other.kind else "float"
    if one.values is None or other.values is None:
        return Column(kind)
    return Column(kind, joint_values(name, one.values, other.values), one.ordered)


def joint_values(name: str, one: pd.Index, other: pd.Index) -> pd.Index:
    """The levels of both: sorted if both are, else in the order that one of them has for all."""
    if one.is_monotonic_increasing and other.is_monotonic_increasing:
        return one.union(other)
    long, short = (one, other) if len(one) >= len(other) else (other, one)
    if not short.isin(long).all() or not (np.diff(long.get_indexer(short)) > 0).all():
        raise DataError(
            f"the statistics cannot be merged: the levels of '{name}' stand in different orders at the two sites; "
            "give both sites the same categories"
        )
    return long


def decoded(
    words: Vocabulary, names: str, design: StreamedDesign, columns: dict[str, Column]
) -> NDArray[np.int64]:
    """The numbers of a site's combinations of levels among the joint levels."""
    (encoding,) = (
        e for e in design.encoding.groups.values() if ":".join(f.name for f in e.grouping.factors) == names
    )
    own = [words.columns[c].values for c in encoding.factors]
    joint = [columns[c].values for c in encoding.factors]
    if any(x is None for x in (*own, *joint)):
        raise DataError(f"the statistics of '{names}' lack its levels; save them again")
    places = np.unravel_index(words.combinations[names], [len(x) for x in own if x is not None])
    moved = [
        to.get_indexer(x)[k]
        for x, to, k in zip(own, joint, places, strict=True)
        if x is not None and to is not None
    ]
    return np.ravel_multi_index(moved, [len(x) for x in joint if x is not None]).astype(np.int64)


def places_of(site: StreamedDesign, joint: StreamedDesign) -> list[Index]:
    """Per group the place of each of the site's levels among the joint ones."""
    return [place(mine, both) for mine, both in zip(site.groups, joint.groups, strict=True)]


def place(mine: StreamedGroup, both: StreamedGroup) -> Index:
    """Of one group, by the labels."""
    return np.asarray(pd.Index(both.levels).get_indexer(pd.Index(mine.levels)), dtype=np.intp)


def joint_group(a: StoredGroup, at: Index, b: StoredGroup, there: Index, J: int) -> StoredGroup:
    """Rows and responses of the joint levels."""
    return spread(a, at, J).merged(spread(b, there, J))


def spread(group: StoredGroup, at: Index, J: int) -> StoredGroup:
    """A site's sums in the places of the joint levels."""
    counts, sums = np.zeros(J, dtype=np.intp), np.zeros(J)
    counts[at], sums[at] = group.counts, group.sums
    return StoredGroup(group.columns, counts, sums)


def joint_median(a: Reduced, b: Reduced) -> float | None:
    """The median weight, where it can be known: where all weights are one number."""
    if "weights" not in a.moments:
        return None
    both: ColumnMoments = a.moments["weights"].merged(b.moments["weights"])
    return float(both.low[0]) if both.constant[0] else None
