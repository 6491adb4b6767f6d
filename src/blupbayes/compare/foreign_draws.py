"""Draws from elsewhere as quantities of the long table: names of Bambi, of brms, and of this package's PyMC model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.compare.elsewhere import Known
from blupbayes.compare.foreign_table import translated
from blupbayes.errors import ComparisonError

__all__ = ["holds_draws", "posterior_group", "read_draws"]

Array = NDArray[np.float64]
Key = tuple[str, str, str, str]

CHAINS, DRAWS = (".chain", "chain"), (".draw", "draw", ".iteration", "iteration")
INDEXED = re.compile(r"(?P<name>.*?)\[(?P<labels>.*)\]")
ORDER = ["fixed", "sd", "corr", "b", "group_mean"]


@dataclass(frozen=True, eq=False)
class Item:
    """One scalar: the variable's name, its labels by dimension, draws (chain, draw)."""

    name: str
    labels: tuple[str, ...]
    dims: tuple[str, ...]
    values: Array


def posterior_group(data: Any) -> Any:
    """The variables of a DataTree, an InferenceData or a Dataset; None if it is none of them."""
    if hasattr(data, "data_vars") and len(data.data_vars):
        return data
    group = (
        data["posterior"]
        if "posterior" in getattr(data, "children", ())
        else getattr(data, "posterior", None)
    )
    return group if hasattr(group, "data_vars") else None


def holds_draws(frame: pd.DataFrame) -> bool:
    """Whether the columns of a frame are draws: a name that only a program for draws gives."""
    return any(re.match(r"(b|sd|r)_.|beta\[|[^|]+\|[^|]+", str(c)) for c in frame) or any(
        c in frame for c in (*CHAINS, *DRAWS)
    )


def read_draws(data: Any, known: Known) -> tuple[list[Key], Array, list[str]]:
    """Quantities (component, group, level, term), their draws (chain, draw, k), and names that were not read.

    Parameters
    ----------
    data : xarray object or DataFrame
        Variables with dimensions chain and draw; or a column per scalar, with or without .chain.
    known : Known
        Names of the model.

    Raises
    ------
    ComparisonError
        If nothing in it is known.
    """
    items = list(columns(data) if isinstance(data, pd.DataFrame) else variables(data))
    read = dialect(items)
    found: dict[Key, Array] = {}
    unread: dict[str, None] = {}
    for item in items:
        key = read(item)
        if key is None:
            unread[item.name] = None
        elif key:
            component, group, level, term = translated(key, known)
            if (
                component,
                group,
                level,
                ", ".join(reversed(term.split(", "))),
            ) not in found or component != "corr":
                found.setdefault((component, group, level, term), item.values)
    if not found:
        names = ", ".join(dict.fromkeys(i.name for i in items)) or "nothing"
        raise ComparisonError(
            f"external: no draws of a mixed model in it (there is {names}). Names are read as Bambi, brms or to_pymc() "
            "give them; else give a table with a column estimate."
        )
    found |= group_means(found)
    keys = sorted(found, key=lambda key: (ORDER.index(key[0]), key[1] == "residual"))
    return keys, np.stack([found[key] for key in keys], axis=2), list(unread)


def variables(data: Any) -> Iterator[Item]:
    """Every scalar of an xarray object; a variable with a value per row of the data comes once, as it is."""
    for name, x in data.data_vars.items():
        dims = tuple(str(d) for d in x.dims if d not in ("chain", "draw"))
        values = np.asarray(x.transpose("chain", "draw", *dims).values)
        if any(d == "obs" or d.endswith("_obs__") or d == "__obs__" for d in dims):
            yield Item(f"{name} (by row)", (), dims, values)
            continue
        labels = [[str(v) for v in np.asarray(x[d].values)] for d in dims]
        for place in np.ndindex(*map(len, labels)):
            which = tuple(row[k] for row, k in zip(labels, place, strict=True))
            yield item(str(name), which, dims, values[(..., *place)].astype(float))


def columns(frame: pd.DataFrame) -> Iterator[Item]:
    """Every column of a frame of draws."""
    chain = next((c for c in CHAINS if c in frame), None)
    own = np.zeros(len(frame)) if chain is None else frame[chain].to_numpy()
    sizes = np.unique(own, return_counts=True)[1]
    if len(set(sizes.tolist())) > 1:
        raise ComparisonError(f"external: the chains have {sizes.tolist()} draws; give as many of each.")
    order = np.argsort(own, kind="stable")
    for column in frame:
        if column in (*CHAINS, *DRAWS):
            continue
        values = pd.to_numeric(frame[column]).to_numpy(dtype=float)[order].reshape(len(sizes), -1)
        yield item(str(column), (), (), values)


def item(name: str, labels: tuple[str, ...], dims: tuple[str, ...], values: Array) -> Item:
    """One scalar; labels may be part of its name, as in r_g[308,Days]."""
    match = INDEXED.fullmatch(name)
    if labels or match is None:
        return Item(name, labels, dims, values)
    return Item(match["name"], tuple(part.strip() for part in match["labels"].split(",")), (), values)


Read = Callable[[Item], Sequence[str] | None]


def dialect(items: Sequence[Item]) -> Read:
    """How the names are to be read."""
    names = {item.name for item in items}
    if "beta" in names:
        return ours
    if any("|" in name for name in names):
        return bambi
    return brms if any(re.match(r"(b|sd|r)_", name) for name in names) else bambi


def ours(item: Item) -> Sequence[str] | None:
    """beta[Days], sigma, sd_g[Days], corr_g[Days,Intercept], b_g[308,Days]; () for what is there twice."""
    kind, _, group = item.name.partition("_")
    shape = (kind, len(item.labels))
    if shape == ("beta", 1):
        return "fixed", "", "", item.labels[0]
    if item.name == "sigma":
        return "sd", "residual", "", ""
    if shape == ("sd", 1):
        return "sd", group, "", item.labels[0]
    if shape == ("corr", 2):
        first, second = item.labels
        return () if first == second else ("corr", group, "", f"{first}, {second}")
    return ("b", group, *item.labels) if shape == ("b", 2) else None


def brms(item: Item) -> Sequence[str] | None:
    """b_Days, sd_g__Days, cor_g__Intercept__Days, r_g[308,Days], sigma."""
    kind, _, rest = item.name.partition("_")
    parts = rest.split("__")
    if item.name == "sigma":
        return "sd", "residual", "", ""
    if kind == "b" and rest and not item.labels:
        return "fixed", "", "", rest
    if kind == "sd" and len(parts) == 2:
        return "sd", parts[0], "", parts[1]
    if kind == "cor" and len(parts) == 3:
        return "corr", parts[0], "", f"{parts[1]}, {parts[2]}"
    return ("b", rest, item.labels[0], item.labels[1]) if kind == "r" and len(item.labels) == 2 else None


def bambi(item: Item) -> Sequence[str] | None:
    """Intercept, Days, Machine[B], 1|g[308], Days|g[308], 1|g_sigma, sigma or y_sigma."""
    term, bar, group = item.name.partition("|")
    if not bar:
        if item.name == "sigma" or (item.name.endswith("_sigma") and not item.labels):
            return "sd", "residual", "", ""
        return (
            None
            if len(item.labels) > 1 or item.name.endswith(" (by row)")
            else ("fixed", "", "", full(item.name, item.labels))
        )
    if group.endswith("_offset"):
        return None
    if group.endswith("_sigma"):
        return "sd", group.removesuffix("_sigma"), "", full(term, item.labels)
    level = [
        x
        for x, d in zip(item.labels, item.dims or ("__factor_dim",) * 9, strict=False)
        if d.endswith("__factor_dim")
    ]
    rest = [x for x, d in zip(item.labels, item.dims, strict=False) if not d.endswith("__factor_dim")]
    return ("b", group, level[-1], full(term, rest)) if level else None


def full(term: str, labels: Sequence[str]) -> str:
    """Machine[B] for the level B of Machine."""
    return f"{term}[{labels[0]}]" if labels else term


def group_means(found: dict[Key, Array]) -> dict[Key, Array]:
    """beta_k + b_jk, draw by draw, where both are there."""
    out: dict[Key, Array] = {}
    for (component, group, level, term), values in found.items():
        fixed = found.get(("fixed", "", "", term))
        if component == "b" and fixed is not None:
            out["group_mean", group, level, term] = fixed + values
    return out
