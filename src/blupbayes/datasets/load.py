"""Read a data set of the registry: checked by its checksum, factors as categories in the published order.

Everything that is known about a data set stands in ``registry.json``; this file only reads. Text is taken
literally: nothing in these files stands for a missing value.
"""

from __future__ import annotations

import difflib
import functools
import gzip
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd

from blupbayes.errors import DatasetError

__all__ = ["list_datasets", "load_dataset"]

HERE = Path(__file__).resolve().parent
CHECKOUT_DATA = HERE.parents[2] / "data"  # <checkout>/src/blupbayes/datasets -> <checkout>/data
DTYPES = {"category": "str", "float": "float64", "int": "int64"}


def load_dataset(name: str) -> pd.DataFrame:
    """Read one of the data sets that come with the package.

    Parameters
    ----------
    name : str
        A name of `list_datasets`, such as "rail" (upper and lower case are the same).

    Returns
    -------
    DataFrame
        One row per observation, no missing values. Factors are categories of text in their published order
        (ordered where the levels are ordinal by nature), all other columns are numbers. ``attrs`` holds
        title, source, licence, units (dict by column, "" without a unit), citation and notes: what to know
        before the first model.

    Raises
    ------
    DatasetError
        If there is no such data set, if its file is kept in a checkout only and this is none, or if the file
        is not the one of the registry (by its SHA-256 checksum).

    Examples
    --------
    >>> rail = load_dataset("rail")
    >>> rail.shape, rail.attrs["units"]["travel"], float(rail["travel"].mean())
    ((18, 2), 'ns', 66.5)
    """
    entry = _entry(name)
    frame = _parse(_content(entry), entry)
    frame.attrs = {key: entry[key] for key in ("title", "source", "licence", "citation", "notes")}
    frame.attrs["units"] = {column: about["unit"] for column, about in entry["columns"].items()}
    return frame


def list_datasets() -> pd.DataFrame:
    """List the data sets, one row each.

    Returns
    -------
    DataFrame
        Columns name, title, rows (int), columns (names), groups (grouping factors, as a formula writes them),
        source, licence, units ("travel: ns").

    Examples
    --------
    >>> list_datasets().set_index("name").loc["pastes", "groups"]
    'batch, batch:cask'
    """
    return pd.DataFrame([_row(name, entry) for name, entry in registry().items()])


@functools.cache
def registry() -> dict[str, dict[str, Any]]:
    """What is known of each data set, by name. Shared: read it, do not change it."""
    entries: dict[str, dict[str, Any]] = json.loads((HERE / "registry.json").read_text(encoding="utf-8"))
    return entries


def _row(name: str, entry: dict[str, Any]) -> dict[str, object]:
    units = [f"{column}: {about['unit']}" for column, about in entry["columns"].items() if about["unit"]]
    return {
        "name": name,
        "title": entry["title"],
        "rows": entry["rows"],
        "columns": ", ".join(entry["columns"]),
        "groups": ", ".join(entry["groups"]),
        "source": entry["source"],
        "licence": entry["licence"],
        "units": ", ".join(units),
    }


def _entry(name: str) -> dict[str, Any]:
    key, known = str(name).lower(), registry()
    if key not in known:
        close = difflib.get_close_matches(key, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise DatasetError(f"There is no data set {name!r}.{hint} The data sets are: {', '.join(known)}.")
    return known[key]


def _content(entry: dict[str, Any]) -> bytes:
    path: Path = (HERE if entry["in_wheel"] else CHECKOUT_DATA) / entry["file"]
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DatasetError(_absent(entry, path)) from None
    found = hashlib.sha256(content).hexdigest()
    if found != entry["sha256"]:
        raise DatasetError(
            f"The file {path} is not the one of the registry: its SHA-256 checksum is {found}, "
            f"expected {entry['sha256']}. Restore the file from the repository or install the package again."
        )
    return content


def _absent(entry: dict[str, Any], path: Path) -> str:
    if entry["in_wheel"]:
        return f"The file {path} is missing from the installed package: install it again."
    return (
        f"The file {entry['file']} is not part of the installed package, for its licence: {entry['licence']} "
        f"It stands in the folder data/ of a checkout of the repository (looked for here: {path}). Work in a "
        f"checkout (pip install -e .), or read that file with pandas.read_csv. Original: {entry['source']}"
    )


def _parse(content: bytes, entry: dict[str, Any]) -> pd.DataFrame:
    columns: dict[str, dict[str, Any]] = entry["columns"]
    types = {name: DTYPES[about["type"]] for name, about in columns.items()}
    if entry["file"].endswith(".gz"):
        content = gzip.decompress(content)
    frame = pd.read_csv(io.BytesIO(content), dtype=types, keep_default_na=False, encoding="utf-8")
    for name, about in columns.items():
        if about["type"] == "category":
            levels = about.get("levels") or list(pd.unique(frame[name]))
            frame[name] = pd.Categorical(frame[name], categories=levels, ordered=about["ordered"])
    return frame
