"""What a report is about: the answers, their design, and the table that it was built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.datasets.load import load_dataset, registry
from blupbayes.errors import BlupbayesError, ComparisonError, DataError
from blupbayes.ledgers import statistics_of
from blupbayes.mme.statistics import Statistics
from blupbayes.model.table import open_table
from blupbayes.show.methods import kind
from blupbayes.source import Source

__all__ = ["READERS", "Subject", "subject_of"]

READERS = {".csv": "read_csv", ".gz": "read_csv", ".parquet": "read_parquet", ".pq": "read_parquet"}


@dataclass(frozen=True, eq=False)
class Subject:
    """A comparison and where its data are.

    Parameters
    ----------
    comparison : Comparison
    design : Design
        Of the first answer that has one.
    file : Path or None
        That holds the table.
    """

    comparison: Any
    design: Any
    file: Path | None = None

    @property
    def answers(self) -> Mapping[str, Any]:
        """Label -> answer."""
        found: Mapping[str, Any] = self.comparison.answers
        return found

    def of(self, what: str) -> dict[str, Any]:
        """The answers of one kind: fit, integral, draws, solution, elsewhere."""
        return {name: a for name, a in self.answers.items() if kind(a) == what}

    @property
    def source(self) -> Any:
        """The Source of the design, or None."""
        return self.design.source

    @cached_property
    def statistics(self) -> Statistics:
        """What the data say."""
        return statistics_of([a for a in self.answers.values() if hasattr(a, "design")])

    @cached_property
    def frame(self) -> pd.DataFrame | None:
        """The columns that the model uses, all rows as they were given; None if nobody kept them."""
        if self.source is None:
            return None
        encoding = self.design.encoding
        names = [*encoding.dtypes, *(c for g in encoding.groups.values() for c in g.factors)]
        return open_table(self.source.data).take(list(dict.fromkeys(names)))[0]

    @property
    def about(self) -> Mapping[str, Any]:
        """What is known of the data: title, source, licence, citation, notes, units, as far as it is."""
        known = getattr(getattr(self.source, "data", None), "attrs", {})
        return {
            key: known[key] for key in ("title", "source", "licence", "citation", "notes") if known.get(key)
        }

    def unit(self, column: str) -> str:
        """The unit of a column, "" if it is not known."""
        units = getattr(getattr(self.source, "data", None), "attrs", {}).get("units", {})
        return str(units.get(column, "")) if isinstance(units, Mapping) else ""

    @cached_property
    def shipped(self) -> str | None:
        """The name of the data set of the package that gives this very design, if one does."""
        if self.source is None or self.arrays:
            return None
        title = self.about.get("title")
        names = [name for name, entry in registry().items() if entry["title"] == title]
        return next((name for name in names if self.made_of(load_dataset(name))), None)

    @property
    def arrays(self) -> dict[str, Any]:
        """Weights and offset that came as arrays."""
        given = {k: self.source.options.get(k) for k in ("weights", "offset")}
        return {k: np.asarray(v) for k, v in given.items() if v is not None and not isinstance(v, str)}

    def made_of(self, data: pd.DataFrame, **options: Any) -> bool:
        """Whether the formula on these data gives this very design."""
        try:
            again = Source(self.source.formula, data, {**self.source.options, **options}).build()
        except BlupbayesError:  # another table
            return False
        return bool(again.hash == self.design.hash)


def subject_of(comparison: Any, data: Any = None) -> Subject:
    """The subject of a report; ``data`` is the file that holds the table.

    Raises
    ------
    ComparisonError
        If no answer knows its data.
    DataError
        If the file cannot be read, or the formula on it gives other data.
    """
    designs = [a.design for a in comparison.answers.values() if hasattr(a, "design")]
    if not designs:
        raise ComparisonError(
            "report: no answer here knows its data, so there is nothing to report on. Add model.fit()."
        )
    design = next((d for d in designs if d.source is not None), designs[0])
    subject = Subject(comparison, design, None if data is None else Path(data))
    if subject.file is not None:
        check_file(subject, subject.file)
    return subject


def check_file(subject: Subject, file: Path) -> None:
    """Refuse a file that does not give the data of the answers."""
    if subject.source is None:
        raise DataError(f"data={str(file)!r}: these answers were not made from a table. Leave data out.")
    if file.suffix.lower() not in READERS:
        raise DataError(f"data={str(file)!r}: the name must end in .csv, .csv.gz, .parquet or .pq.")
    try:
        found = getattr(pd, READERS[file.suffix.lower()])(file)
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"data={str(file)!r} cannot be read: {reason}.") from error
    if subject.arrays or not subject.made_of(found):
        raise DataError(
            f"data={str(file)!r}: the formula on this file gives other data than the answers have. Leave data out, and "
            "the notebook holds the columns itself, or write the table that you used to a file."
        )
