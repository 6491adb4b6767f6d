"""Python that gets the data of a report again: by name, from a file, or from text in the code itself."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import pandas as pd

from blupbayes.errors import DataError
from blupbayes.show.report.subject import READERS

__all__ = ["data_code", "held"]

LARGEST = 200_000  # signs of a table that a notebook may hold
FILE = """\
import hashlib
from pathlib import Path

path = Path({path!r})  # seen from the folder of this notebook
expected = {digest!r}
if not path.exists():
    raise FileNotFoundError(f"{{path}} is not there: put the data file there, or change path.")
if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
    raise ValueError(f"{{path}} is not the file of this report: its SHA-256 is not {{expected}}. Get it back.")
data = pd.{reader}(path)"""
TEXT = '''\
import io

columns = """\\
{csv}"""
data = pd.read_csv(io.StringIO(columns), dtype={types!r}, keep_default_na=False, na_values=[""])'''


def data_code(subject: Any, folder: Path) -> str:
    """Lines that end in a frame ``data``, for a notebook in ``folder``.

    Raises
    ------
    DataError
        If there is no table, or it is too large to be held in a notebook.
    """
    if subject.shipped:
        return f"data = bb.load_dataset({subject.shipped!r})"
    if subject.file is not None:
        return file_code(subject.file, folder)
    return text_code(subject)


def file_code(file: Path, folder: Path) -> str:
    """Read a file that is checked to be the same."""
    try:
        path = Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()
    except ValueError as error:  # another drive
        raise DataError(
            f"report: there is no way from {folder} to {file}; put both on one drive, or leave data out."
        ) from error
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return FILE.format(path=path, digest=digest, reader=READERS[file.suffix.lower()])


def text_code(subject: Any) -> str:
    """The columns that are used, as text."""
    if subject.frame is None:
        raise DataError(
            "report: these answers do not hold the table that they were made from (they come from arrays or from a "
            "pickle), so a notebook could not run. Write .html or .md, or make the answers from a formula and a table."
        )
    frame = subject.frame.assign(**{f"{role}_of_row": x for role, x in subject.arrays.items()})
    csv = frame.to_csv(index=False, lineterminator="\n")
    if len(csv) > LARGEST:
        raise DataError(
            f"report: the columns that are used take {len(csv) // 1000} kB as text, too much for a notebook (at most "
            f"{LARGEST // 1000} kB). Save the table to a file and pass data='that file'."
        )
    types = {str(name): plain_type(frame[name]) for name in frame}
    lines = [TEXT.format(csv=held(csv), types=types)]
    lines += [category(str(name), frame[name]) for name in frame if is_category(frame[name])]
    check_round_trip(subject, csv, types)
    return "\n".join(lines)


def held(text: str) -> str:
    """Text between three quotation marks."""
    return text.replace("\\", "\\\\").replace('"', '\\"') if '"""' in text else text.replace("\\", "\\\\")


def is_category(values: pd.Series) -> bool:
    """Whether a column has categories."""
    return isinstance(values.dtype, pd.CategoricalDtype)


def plain_type(values: pd.Series) -> str:
    """What pandas is to read a column as."""
    kind = values.cat.categories if is_category(values) else values
    if pd.api.types.is_bool_dtype(kind):
        return "bool"
    if pd.api.types.is_integer_dtype(kind):
        return "int64"
    return "float64" if pd.api.types.is_float_dtype(kind) else "str"


def category(name: str, values: pd.Series) -> str:
    """The line that gives a column its categories back."""
    levels, ordered = values.cat.categories.tolist(), bool(values.cat.ordered)
    return f"data[{name!r}] = pd.Categorical(data[{name!r}], categories={levels!r}, ordered={ordered})"


def check_round_trip(subject: Any, csv: str, types: dict[str, str]) -> None:
    """Refuse columns that text does not give back."""
    again = pd.read_csv(io.StringIO(csv), dtype=types, keep_default_na=False, na_values=[""])
    for name in subject.frame:
        if is_category(subject.frame[name]):
            dtype = subject.frame[name].dtype
            again[name] = pd.Categorical(again[name], categories=dtype.categories, ordered=dtype.ordered)
    given = {role: again[f"{role}_of_row"].to_numpy() for role in subject.arrays}
    if not subject.made_of(again, **given):
        raise DataError(
            "report: written as text, the columns that are used do not come back the same, so a notebook would give "
            "other numbers. Save the table to a file and pass data='that file'."
        )
