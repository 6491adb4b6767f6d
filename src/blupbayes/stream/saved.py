"""A model without rows in a file: numbers and text, never code, so that sites can exchange them."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.coupling import Cross
from blupbayes.mme.sums import Range, Split, Sums
from blupbayes.model.measures import ColumnMoments
from blupbayes.model.stored_measures import StoredGroup
from blupbayes.model.streamed import StreamedDesign
from blupbayes.stream.reduction import Reduced

__all__ = ["load", "save"]

FORMAT = "blupbayes statistics 1"
Arrays = dict[str, NDArray[Any]]


def save(path: str | Path, design: StreamedDesign, reduced: Reduced) -> None:
    """Write the statistics of a model; an interrupted one leaves no half file.

    Parameters
    ----------
    path : str or Path
        A file (numpy's .npz); replaced if it is there.
    design : StreamedDesign
    reduced : Reduced
    """
    target = Path(path)
    half = target.with_name(f".{target.name}.{os.getpid()}.part")
    head = {"format": FORMAT, "vocabulary": design.vocabulary(), "middle_weight": reduced.middle_weight}
    arrays = sums_to_arrays(reduced.sums) | measures_to_arrays(reduced)
    try:
        with half.open("wb") as file:
            arrays["head"] = np.array(json.dumps(head | plain_numbers(reduced.sums)))
            np.savez(file, allow_pickle=False, **arrays)
        half.replace(target)
    except OSError as error:
        raise DataError(f"the statistics cannot be written to '{path}': {error.strerror}") from error
    finally:
        half.unlink(missing_ok=True)


def load(path: str | Path) -> tuple[StreamedDesign, Reduced]:
    """Read what `save` wrote.

    Raises
    ------
    DataError
        If there is no such file, or it is damaged or of another kind.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        head = json.loads(str(arrays.pop("head")))
        known = head["format"] == FORMAT
    except FileNotFoundError as error:
        raise DataError(f"there is no file '{path}'") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        message = (
            f"'{path}' does not hold the statistics of a model, or is damaged; write it with model.save(path)"
        )
        raise DataError(message) from error
    if not known:
        raise DataError(f"'{path}' was written in another format ({head['format']}); save it again")
    return (
        StreamedDesign.from_vocabulary(head["vocabulary"]),
        measures_from_arrays(sums_from_arrays(head, arrays), head, arrays),
    )


def plain_numbers(sums: Sums) -> dict[str, Any]:
    """What is no array."""
    names = ("n_obs", "log_weights", "ee")
    return {name: getattr(sums, name) for name in names} | {
        "groups": len(sums.D),
        "range": sums.split.range.group,
        "crosses": [list(key) for key in sums.crosses],
    }


def sums_to_arrays(sums: Sums) -> Arrays:
    """The sums by name."""
    split = sums.split
    out: Arrays = {"kept": sums.kept, "R": sums.R, "beta": sums.beta}
    out |= {
        "from_U": split.range.from_U,
        "root": split.range.root,
        "inside": split.inside,
        "within": split.root,
    }
    for k, (D, ZQe, outside) in enumerate(zip(sums.D, sums.ZQe, split.outside, strict=True)):
        out |= {f"D_{k}": D, f"ZQe_{k}": ZQe, f"outside_{k}": outside}
    for (i, j), cross in sums.crosses.items():
        out |= {f"{name}_{i}_{j}": getattr(cross, name) for name in ("rows", "cols", "values")}
    return out


def sums_from_arrays(head: Mapping[str, Any], arrays: Arrays) -> Sums:
    """Their inverse."""
    k = range(head["groups"])
    of = Range(head["range"], arrays["from_U"], arrays["root"])
    outside = tuple(arrays[f"outside_{i}"] for i in k)
    crosses = {
        (i, j): Cross(*(arrays[f"{name}_{i}_{j}"] for name in ("rows", "cols", "values")))
        for i, j in head["crosses"]
    }
    return Sums(
        n_obs=head["n_obs"],
        log_weights=head["log_weights"],
        kept=arrays["kept"],
        R=arrays["R"],
        beta=arrays["beta"],
        ee=head["ee"],
        D=tuple(arrays[f"D_{i}"] for i in k),
        crosses=crosses,
        ZQe=tuple(arrays[f"ZQe_{i}"] for i in k),
        split=Split(of, arrays["inside"], arrays["within"], outside),
    )


def measures_to_arrays(reduced: Reduced) -> Arrays:
    """Moments and sums by level, by name."""
    out: Arrays = {f"moments_{name}": packed(m) for name, m in reduced.moments.items()}
    for k, group in enumerate(reduced.groups):
        out |= {f"moments_Z_{k}": packed(group.columns), f"counts_{k}": group.counts, f"sums_{k}": group.sums}
    return out


def measures_from_arrays(sums: Sums, head: Mapping[str, Any], arrays: Arrays) -> Reduced:
    """Their inverse."""
    n = sums.n_obs
    names = [name for name in ("y", "response", "X", "offset", "weights") if f"moments_{name}" in arrays]
    groups = tuple(
        StoredGroup(unpacked(n, arrays[f"moments_Z_{k}"]), arrays[f"counts_{k}"], arrays[f"sums_{k}"])
        for k in range(head["groups"])
    )
    moments = {name: unpacked(n, arrays[f"moments_{name}"]) for name in names}
    return Reduced(sums, moments, groups, head["middle_weight"])


def packed(moments: ColumnMoments) -> NDArray[np.float64]:
    """Moments (5, m)."""
    return np.array([moments.mean, moments.m2, moments.low, moments.high, moments.binary], dtype=np.float64)


def unpacked(n: int, rows: NDArray[np.float64]) -> ColumnMoments:
    """Their inverse."""
    mean, m2, low, high, binary = rows
    return ColumnMoments(n, mean, m2, low, high, binary == 1.0)
