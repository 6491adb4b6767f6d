"""The reference results under tests/reference, in this package's names and order.

lme4 sorts terms by decreasing number of levels, writes the nested group a:b as b:a with levels "b1:a1", and
splits (x || g) in one term per coefficient; here terms stand in the formula's order, the group is a:b with
levels "a1:b1", and several terms of one group are one block. Columns of X agree position by position: only
their names differ ((Intercept) and Intercept, recipeB and recipe[T.B]).
"""

from __future__ import annotations

import functools
import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from blupbayes.datasets import load_dataset

REFERENCE = Path(__file__).parent / "reference"


@functools.cache
def read(folder: str, name: str) -> dict:
    """One reference file by its stem, plain or gzipped."""
    path = REFERENCE / folder / f"{name}.json"
    content = path.read_bytes() if path.exists() else gzip.decompress(Path(f"{path}.gz").read_bytes())
    return json.loads(content)


@dataclass(frozen=True)
class Effects:
    """Random effects of one group: levels (J), mode (J, q), the model's sd (q,).

    cond_cov, pev (J, q, q): NaN where lme4 is silent, between the terms of (x || g).
    cross_cov (J, q, p): Cov(b_hat - b, beta_hat), or None.
    """

    levels: tuple[str, ...]
    mode: np.ndarray
    cond_cov: np.ndarray
    pev: np.ndarray
    cross_cov: np.ndarray | None
    sd: np.ndarray


@dataclass(frozen=True)
class Case:
    """One model that lme4 fitted: the stem of its file, our formula, our groups in our order."""

    name: str
    formula: str
    groups: tuple[str, ...]

    @property
    def dataset(self) -> str:
        return self.name.split("-")[0].lower()

    @property
    def reference(self) -> dict:
        return read("lme4", self.name)

    def frame(self) -> pd.DataFrame:
        return load_dataset(self.dataset)

    def new_rows(self) -> pd.DataFrame:
        """Five rows without a response; factors as text, the last two rows with a level not in the data."""
        return pd.DataFrame(self.reference["newdata"])

    @property
    def terms(self) -> list[int]:
        """lme4's term numbers in our order: by group, within a group as lme4 has them."""
        groups = [self._ours(term["group"]) for term in self.reference["random_terms"]]
        return sorted(range(len(groups)), key=lambda i: self.groups.index(groups[i]))

    def theta(self, theta: object) -> np.ndarray:
        """lme4's theta (m,) in our order."""
        sizes = [term["k"] * (term["k"] + 1) // 2 for term in self.reference["random_terms"]]
        parts = np.split(np.array(theta, dtype=float), np.cumsum(sizes)[:-1])
        return np.concatenate([parts[i] for i in self.terms])

    def effects(self, method: str) -> dict[str, Effects]:
        """Random effects by our group name."""
        block, out = self.reference[method], {}
        for group in self.groups:
            numbers = [i for i in self.terms if self._ours(block["ranef"][i]["group"]) == group]
            out[group] = self._join(group, block, numbers)
        return out

    def _ours(self, group: str) -> str:
        (ours,) = (name for name in self.groups if set(name.split(":")) == set(group.split(":")))
        return ours

    def _join(self, group: str, block: dict, numbers: list[int]) -> Effects:
        terms = [block["ranef"][i] for i in numbers]
        levels, sizes = list(terms[0]["mode"]), [len(term["coef"]) for term in terms]
        J, q, stops = len(levels), sum(sizes), np.cumsum(sizes)
        covariances = {"condVar": np.full((J, q, q), np.nan), "pev": np.full((J, q, q), np.nan)}
        for term, stop, size in zip(terms, stops, sizes, strict=True):
            for key, value in covariances.items():
                value[:, stop - size : stop, stop - size : stop] = [term[key][level] for level in levels]
        mode = np.hstack([[term["mode"][level] for level in levels] for term in terms])
        sd = np.concatenate([list(block["varcorr"][i]["sd"].values()) for i in numbers])
        cross = self._cross(block, numbers)
        factors = terms[0]["group"].split(":")
        order = [factors.index(factor) for factor in group.split(":")]
        names = tuple(":".join(level.split(":")[k] for k in order) for level in levels)
        return Effects(names, mode, covariances["condVar"], covariances["pev"], cross, sd)

    def _cross(self, block: dict, numbers: list[int]) -> np.ndarray | None:
        if "C12" not in block:
            return None
        terms = self.reference["random_terms"]
        parts = np.split(np.array(block["C12"]["values"]).T, np.cumsum([term["q"] for term in terms])[:-1])
        return np.hstack([parts[i].reshape(terms[i]["n_levels"], terms[i]["k"], -1) for i in numbers])


CASES = (
    Case("Rail-intercept", "travel ~ 1 + (1 | Rail)", ("Rail",)),
    Case("Dyestuff-intercept", "Yield ~ 1 + (1 | Batch)", ("Batch",)),
    Case("Dyestuff2-intercept", "Yield ~ 1 + (1 | Batch)", ("Batch",)),
    Case("Penicillin-plate_sample", "diameter ~ 1 + (1 | plate) + (1 | sample)", ("plate", "sample")),
    Case("Pastes-batch_cask", "strength ~ 1 + (1 | batch/cask)", ("batch", "batch:cask")),
    Case("sleepstudy-intercept", "Reaction ~ Days + (1 | Subject)", ("Subject",)),
    Case("sleepstudy-slope_correlated", "Reaction ~ Days + (Days | Subject)", ("Subject",)),
    Case("sleepstudy-slope_uncorrelated", "Reaction ~ Days + (Days || Subject)", ("Subject",)),
    Case("sleepstudy-slope_only", "Reaction ~ Days + (0 + Days | Subject)", ("Subject",)),
    # ordered factors get polynomial contrasts in R without asking, here on request
    Case(
        "cake-recipe_temperature_poly",
        "angle ~ recipe * C(temperature, contr.poly) + (1 | recipe:replicate)",
        ("recipe:replicate",),
    ),
    Case(
        "cake-recipe_temperature_treatment",
        "angle ~ recipe * temperature + (1 | recipe:replicate)",
        ("recipe:replicate",),
    ),
    Case("cake-recipe_temp_numeric", "angle ~ recipe * temp + (1 | recipe:replicate)", ("recipe:replicate",)),
    Case("Orthodont-age_sex", "distance ~ age * Sex + (age | Subject)", ("Subject",)),
    Case("Machines-machine_correlated", "score ~ Machine + (Machine | Worker)", ("Worker",)),
    Case(
        "Machines-worker_machine_nested",
        "score ~ Machine + (1 | Worker/Machine)",
        ("Worker", "Worker:Machine"),
    ),
    Case("Oats-nitro", "yield ~ nitro + (1 | Block/Variety)", ("Block", "Block:Variety")),
    Case("Chem97-gcse_lea_school", "score ~ gcsecnt + (1 | lea) + (1 | school)", ("lea", "school")),
    Case(
        "InstEval-service",
        "y ~ 1 + service + (1 | s) + (1 | d) + (1 | dept:service)",
        ("s", "d", "dept:service"),
    ),
)
