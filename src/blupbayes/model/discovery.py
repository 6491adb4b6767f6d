"""The first pass over batches: levels, categories, combinations of levels, and the state of centred columns."""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError, IdentifiabilityError
from blupbayes.model.checks import check_options, constant_text, same_rows_text
from blupbayes.model.coding import coded
from blupbayes.model.encoding import learn_value
from blupbayes.model.fingerprint import fingerprint
from blupbayes.model.grouping import combination
from blupbayes.model.meetings import Combinations, Partition
from blupbayes.model.question import Question
from blupbayes.model.rows import blamed, complete
from blupbayes.model.scanner import unquoted
from blupbayes.model.seen import Seen
from blupbayes.model.streamable import Moments
from blupbayes.model.streamed import StreamedDesign
from blupbayes.model.vocabulary import Column, Vocabulary

__all__ = ["Discovery"]

Codes = NDArray[np.intp]


class Discovery:
    """What the batches of a model hold, as far as they have been seen; batches may come in any order.

    Parameters
    ----------
    question : Question
        The model, see `question.question`.

    Examples
    --------
    >>> import pandas as pd
    >>> from blupbayes.model.question import question
    >>> batches = [pd.DataFrame({"y": [1.0, 2.0], "g": ["a", "b"]}), pd.DataFrame({"y": [4.0, 3.0], "g": ["b", "a"]})]
    >>> found = Discovery(question("y ~ 1 + (1 | g)", ["y", "g"]))
    >>> for number, batch in enumerate(batches, start=1):
    ...     found.add(number, batch)
    >>> found.finish().groups
    (StreamedGroup('g': 2 levels, coefficients Intercept),)
    """

    def __init__(self, question: Question) -> None:
        plan = question.plan
        self.question = question
        self.n_obs = self.n_dropped = self.mark = 0
        self.low, self.high = np.inf, -np.inf
        grouping = set(plan.groups.values())
        self.seen = {
            name: Seen(name, name in plan.coded, name in grouping, name in question.listed)
            for name in question.names
        }
        self.moments = {call.argument: Moments() for call in question.calls}
        self.combinations = {
            names: Combinations(len(names)) for names in plan.groupings.values() if len(names) > 1
        }
        self.partitions = {pair: Partition() for pair in itertools.combinations(plan.groupings.values(), 2)}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a batch must have."""
        return self.question.names

    def add(self, number: int, frame: Any) -> None:
        """Take in one batch.

        Parameters
        ----------
        number : int
            Of the batch, for the errors.
        frame : data frame
            Any table with the columns.

        Raises
        ------
        DataError
            If it lacks a column or a value, or a column holds something else than in other batches.
        """
        with blamed(number):
            rows, n_dropped = complete(frame, self.columns, self.question.missing)
        self.n_dropped += n_dropped
        if not len(rows):
            return
        codes = {name: seen.add(number, rows[name]) for name, seen in self.seen.items()}
        with blamed(number):
            self._usable(rows)
            self._measure(rows)
        self._meet(codes)
        marks = [seen.mark(rows[name], codes[name]) for name, seen in self.seen.items()]
        self.mark = (self.mark + fingerprint(marks, len(rows))) % 2**64
        self.n_obs += len(rows)

    def merge(self, other: Discovery) -> None:
        """Take in what another one has found in other batches of the same model.

        Raises
        ------
        DataError
            If a column holds something else there.
        """
        if other.question.asked != self.question.asked:
            raise DataError(
                "these are first passes of two models; merge passes of one formula, with the same options"
            )
        maps = {name: seen.merge(other.seen[name]) for name, seen in self.seen.items()}
        columns = self.question.plan.groups
        numbers = {
            names: found.merge(other.combinations[names], [maps[columns[name]] for name in names])
            for names, found in self.combinations.items()
        }
        for (one, two), partition in self.partitions.items():
            levels = [numbers.get(names, maps[columns[names[0]]]) for names in (one, two)]
            partition.merge(other.partitions[one, two], *levels)
        self.moments = {text: found + other.moments[text] for text, found in self.moments.items()}
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.mark = (self.mark + other.mark) % 2**64
        self.n_obs += other.n_obs
        self.n_dropped += other.n_dropped

    def finish(self, sigma: float | None = None) -> StreamedDesign:
        """The design of the model on all batches.

        Parameters
        ----------
        sigma : float, optional
            The residual sd, if known, in the units of y.

        Raises
        ------
        FormulaError, DataError, IdentifiabilityError
            As `design.build`.
        """
        check_options(sigma, self.question.missing)
        if not self.n_obs:
            raise DataError(f"there are no rows{' without missing values' if self.n_dropped else ''}")
        if sigma is None and self.low == self.high:
            name = unquoted(self.question.plan.terms.response)
            raise DataError(constant_text(name, self.low, self.n_obs))
        design = StreamedDesign.of(self._vocabulary(None if sigma is None else float(sigma)))
        self._distinct(design)
        return design

    def _usable(self, rows: pd.DataFrame) -> None:
        """Refuse what no matrix can hold."""
        for name in self.question.plan.coded:
            if self.seen[name].kind == "dates":
                coded(rows[[name]].head(1), [name])
        for role, text in self.question.plain_values:
            column = self.question.plan.column(text)
            if self.seen[column].kind not in {"int", "float"}:
                learn_value(role, text, rows, self.question.plan.extra, self.question.plan.terms.text)

    def _measure(self, rows: pd.DataFrame) -> None:
        """Range of the response, and moments of what is centred or scaled."""
        plan = self.question.plan
        for text in self.moments:
            values, _ = learn_value("column", text, rows, plan.extra, plan.terms.text)
            self.moments[text] += Moments.of(values)
        if self.question.varies:
            y, _ = learn_value("response", plan.terms.response, rows, plan.extra, plan.terms.text)
            self.low, self.high = min(self.low, float(y.min())), max(self.high, float(y.max()))

    def _meet(self, codes: dict[str, Codes]) -> None:
        """Combinations of levels, and which factors decide which."""
        columns = self.question.plan.groups
        numbers = {
            names: found.add([codes[columns[name]] for name in names])
            for names, found in self.combinations.items()
        }
        for (one, two), partition in self.partitions.items():
            partition.add(*(numbers.get(names, codes[columns[names[0]]]) for names in (one, two)))

    def _vocabulary(self, sigma: float | None) -> Vocabulary:
        asked, plan = self.question, self.question.plan
        columns = {name: _column(seen) for name, seen in self.seen.items()}
        parts: dict[str, Any] = {
            "formula": plan.terms.text,
            "weights": asked.weights,
            "offset": asked.offset,
            "extra": {name: float(value) for name, value in plan.extra.items()},
            "names": asked.names,
            "columns": columns,
            "n_obs": self.n_obs,
        }
        return Vocabulary(
            **parts,
            sigma=sigma,
            missing=asked.missing,
            moments={call.text: self.moments[call.argument] for call in asked.calls},
            combinations={":".join(names): self._present(names) for names in self.combinations},
            n_dropped=self.n_dropped,
            hash=self._hash(parts),
        )

    def _present(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        """The numbers of the combinations that occur, increasing, by the order of the levels."""
        seen = [self.seen[self.question.plan.groups[name]] for name in names]
        ranks = [np.argsort(each.order()) for each in seen]
        parts = self.combinations[names].parts()
        numbers = combination(
            [len(each.book) for each in seen], [rank[part] for rank, part in zip(ranks, parts, strict=True)]
        )
        return np.sort(numbers)

    def _hash(self, parts: dict[str, Any]) -> str:
        """Of the formula, the columns without their levels (these are in the rows), and the rows."""
        told = parts | {"columns": {name: seen.kind for name, seen in self.seen.items()}, "mark": self.mark}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def _distinct(self, design: StreamedDesign) -> None:
        """Refuse two grouping factors that split the rows alike and share a coefficient."""
        groups = {group.factors: group for group in design.groups}
        for (one, two), partition in self.partitions.items():
            first, second = groups[one], groups[two]
            shared = [name for name in first.names if name in second.names]
            if partition.holds and len(first.levels) == len(second.levels) and shared:
                raise IdentifiabilityError(same_rows_text(first.name, second.name, shared[0]))


def _column(seen: Seen) -> Column:
    """The vocabulary of a column."""
    if not (seen.grouping or seen.listed or seen.has_levels):
        return Column(seen.kind)
    values = seen.book.values[seen.order()]
    ordered = seen.declared is not None and bool(seen.declared.ordered)
    return Column(seen.kind, values.astype(np.float64) if seen.kind == "float" else values, ordered)
