"""Frames cut into batches, and what two Statistics of the same rows must share whatever the way to them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import blupbayes as bb
from blupbayes.mme.statistics import Statistics

DATA = Path(__file__).parents[1] / "data"
SHARED = 1e-12  # of the norm of each block: some hundred roundings of a double


def shuffled(frame: pd.DataFrame, k: int, seed: int = 1) -> list[pd.DataFrame]:
    """The rows of a frame in random order, in k batches of about the same size."""
    rows = np.random.default_rng(seed).permutation(len(frame))
    return [frame.iloc[part] for part in np.array_split(rows, k)]


def sleepstudy() -> pd.DataFrame:
    frame = bb.load_dataset("sleepstudy")
    n = len(frame)
    return frame.assign(
        Year=frame["Days"] + 2000.0,
        far=np.round(frame["Reaction"] * 1000) + 1e8,
        w=np.linspace(0.5, 2.0, n),
        o=3.0 * frame["Days"],
        part=pd.Categorical(np.where(frame["Days"] < 3, "early", np.where(frame["Days"] < 7, "mid", "late"))),
        night=frame["Days"] % 2 == 0,
    )


def between() -> pd.DataFrame:
    """A covariate that is constant within groups, one that is nearly, and 200 groups of unequal size."""
    rng = np.random.default_rng(5)
    g = np.sort(np.concatenate([np.arange(200), rng.integers(200, size=1300)]))
    x, level = rng.standard_normal(len(g)), rng.standard_normal(200)[g]
    y = 1 + x + level + rng.standard_normal(200)[g] + rng.standard_normal(len(g))
    return pd.DataFrame({"y": y, "x": x, "level": level, "near": level + 1e-3 * x, "g": g})


def packed(name: str) -> Callable[[], pd.DataFrame]:
    return lambda: pd.read_csv(gzip.open(DATA / f"{name}.csv.gz"))


CASES: dict[str, tuple[str, Callable[[], pd.DataFrame], dict[str, Any]]] = {
    "slopes": ("Reaction ~ Days + (Days | Subject)", sleepstudy, {}),
    "weights": ("Reaction ~ Days + (Days || Subject)", sleepstudy, {"weights": "w", "offset": "o"}),
    "years": ("Reaction ~ Year + (Year | Subject)", sleepstudy, {}),
    "far from 0": ("far ~ Days + (1 | Subject)", sleepstudy, {}),
    "no constant": ("Reaction ~ 0 + Days + (1 | Subject)", sleepstudy, {}),
    "factors": ("Reaction ~ part * night + (night | Subject)", sleepstudy, {}),
    "scaled": ("Reaction ~ scale(Days) + center(w) + (scale(Days) | Subject)", sleepstudy, {}),
    "known sigma": ("Reaction ~ Days + (1 | Subject)", sleepstudy, {"weights": "w", "sigma": 30.0}),
    "aliased": ("y ~ x + I(2 * x) + level + (1 | g)", between, {}),
    "nearly inside": ("y ~ x + near + (x | g)", between, {}),
    "crossed": ("diameter ~ 1 + (1 | plate) + (1 | sample)", lambda: bb.load_dataset("penicillin"), {}),
    "nested": ("strength ~ 1 + (1 | batch/cask)", lambda: bb.load_dataset("pastes"), {}),
    "chain": ("score ~ gcsecnt + (gcsecnt | lea) + (1 | school)", packed("chem97"), {}),
    "large crossed": ("y ~ service + (1 | s) + (1 | d) + (1 | dept:service)", packed("insteval"), {}),
}


def differences(one: Statistics, other: Statistics) -> dict[str, float]:
    """Distance of each block, as a share of its norm; free of how Q and the inner bases are turned."""
    names = ("beta_ols", "ee", "log_weights", "kept")
    out = {name: share(getattr(one, name), getattr(other, name)) for name in names}
    out["R"] = share(triangle(one), triangle(other))
    out["ZX"] = share(one.ZQe[:, :-1] @ one.R, other.ZQe[:, :-1] @ other.R)
    out["Ze"] = share(one.ZQe[:, -1], other.ZQe[:, -1])
    eye = np.random.default_rng(0).standard_normal((one.layout.size, 3))
    out["ZZ"] = share(one.layout.multiply(eye), other.layout.multiply(eye))
    out["outside"] = share(*(squared(s, (s.core or s.first).within) for s in (one, other)))  # type: ignore[union-attr]
    out["inside"] = share(*(squared(s, inside(s)) for s in (one, other)))
    out["size"] = share(*(np.concatenate([g.scale for g in s.groups]) for s in (one, other)))
    for k, (a, b) in enumerate(zip(one.start or (), other.start or (), strict=True)):
        out[f"start {k}"] = share(a, b)
    if one.first is not None and other.first is not None:
        out["Z outside"] = np.linalg.norm(later(one) - later(other)) / np.linalg.norm(one.ZQe)
    return out


def share(a: Any, b: Any) -> float:
    a, b = np.asarray(a, float), np.asarray(b, float)
    assert a.shape == b.shape
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-300)) if a.size else 0.0


def triangle(s: Statistics) -> np.ndarray:
    """R turned so that its kept columns are triangular, with a positive diagonal."""
    Q, R = np.linalg.qr(s.R[:, s.kept])
    return np.where(np.diag(R) < 0, -1.0, 1.0)[:, None] * (Q.T @ s.R)


def inside(s: Statistics) -> np.ndarray:
    """U'[Q e], a row per column of U."""
    if s.core is not None:
        return s.core.root_a[:, s.layout.size :]
    assert s.first is not None
    return s.first.inside.reshape(-1, s.first.inside.shape[2])


def squared(s: Statistics, part: np.ndarray) -> np.ndarray:
    """Squares and products of a part (k, r + 1) of [Q e], as one of [X e], in units of the whole columns' norms."""
    rows = np.hstack([part[:, :-1] @ s.R, part[:, -1:]])
    size = np.append(np.linalg.norm(s.R, axis=0), np.sqrt(s.ee))
    return (rows / size).T @ (rows / size)


def later(s: Statistics) -> np.ndarray:
    """Z'(I - U U')[X e] of what comes after the first block, in units as Q and e."""
    first = s.first
    assert first is not None
    unit = np.linalg.norm(s.R, axis=0)
    return np.hstack([first.ZQe[:, :-1] @ s.R / unit, first.ZQe[:, -1:] / np.sqrt(s.ee)])
