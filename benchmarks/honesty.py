"""Does the exact posterior state its error honestly? Random small models, integrated as asked, and far finer.

    python benchmarks/honesty.py                    200 models at rel_error 0.01
    python benchmarks/honesty.py --models 20 --first 300

A mean or sd is honest where its true error (rough less fine) is at most what `integral.errors` states for the two of
them together; quantiles have no stated error and are held against rel_error itself, in posterior sds. Means and sds
that do not exist, because the tail of the posterior is too heavy, are left out and counted.
"""

from __future__ import annotations

import argparse
import logging
import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

import blupbayes as bb
from blupbayes.bayes.integrate import Integral

PROBS = (0.025, 0.25, 0.5, 0.75, 0.975)
KINDS = ("(1 | g)", "(x || g)", "(x | g)", "(1 | g) + (1 | h)", "(x || g) + (1 | h)", "(0 + x | g)")
PRIORS = {  # of every sd, and how fast its density falls: as sd^-power
    "default": (None, 4.0),
    "HalfNormal": ("HalfNormal({scale})", np.inf),
    "Exponential": ("Exponential({rate})", np.inf),
    "InverseGamma": ("InverseGamma(.1, .1) on variance", 1.2),
    "HalfCauchy": ("HalfCauchy({scale})", 2.0),
}
FINE = {1: 1e-5, 2: 1e-4, 3: 3e-4}  # by number of variance parameters; more: 1e-3
LINEAR = 6  # of beta and b, whose quantiles are looked at


@dataclass(frozen=True)
class Case:
    """A random model: ``heavy`` says whether E sd^2 may be infinite."""

    seed: int
    formula: str
    frame: pd.DataFrame
    prior: bb.Prior
    label: str
    levels: int
    power: float

    @property
    def heavy(self) -> bool:
        """The likelihood falls as sd^-(J - 1) (flat mean) at worst: E sd^2 needs J - 1 + power > 3, with some room."""
        return self.levels - 1 + self.power <= 3.5


def draw(seed: int) -> Case:
    """The model of that number."""
    rng = np.random.default_rng([2024, seed])
    kind, name = KINDS[seed % len(KINDS)], list(PRIORS)[(seed // len(KINDS)) % len(PRIORS)]
    J, H, n = int(rng.integers(3, 13)), int(rng.integers(3, 9)), int(rng.integers(3, 8))
    rows = max(J * n, 3 * H // n * n)
    frame = pd.DataFrame(
        {"g": np.arange(rows) // n % J, "h": np.arange(rows) % H, "x": rng.normal(size=rows)}
    )
    keep = np.sort(rng.permutation(rows)[: max(int(rng.uniform(0.75, 1.0) * rows), 2 * J + 2, 2 * H)])
    sigma, unit = 1.0, 10.0 ** rng.uniform(-1, 1)
    sds = rng.choice([0.0, 0.1, 0.3, 1.0, 2.0, 5.0], size=3)
    y = rng.normal(0, 3) + rng.normal() * frame["x"] + sigma * rng.normal(size=rows)
    if "1 | g" in kind or "x |" in kind:
        y = y + sds[0] * rng.normal(size=J)[frame["g"]]
    if "x" in kind:
        y = y + sds[1] * rng.normal(size=J)[frame["g"]] * frame["x"]
    if "h" in kind:
        y = y + sds[2] * rng.normal(size=H)[frame["h"]]
    frame = frame.assign(y=unit * y).iloc[keep].reset_index(drop=True)
    text, power = PRIORS[name]
    scale = float(rng.choice([0.3, 2.0, 10.0])) * unit
    kappa = float(rng.choice([0.0, 0.0, 1e-3, 0.1])) / unit**2
    sd = None if text is None else text.format(scale=scale, rate=1.0 / scale)
    prior = bb.Prior(kappa=kappa, sd=sd, corr=float(rng.choice([1.0, 2.0])))
    levels = min([frame["g"].nunique()] + ([frame["h"].nunique()] if "h" in kind else []))
    label = f"{kind}, J = {levels}, {sd or 'default'}, kappa = {kappa:.2g}"
    return Case(seed, f"y ~ x + {kind}", frame, prior, label, levels, power)


@dataclass
class Record:
    """What happened to one case: arrays over its quantities."""

    case: Case
    seconds: float = np.nan
    fine_seconds: float = np.nan
    stated: float = np.nan
    points: int = 0
    moments: Any = None  # (2, Q): true error over stated error
    size: Any = None  # (2, Q): true error in posterior sds
    quantiles: Any = None  # (len(PROBS), k): error in posterior sds
    names: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)


def quantiles(integral: Integral) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles (len(PROBS), k) in the order of the moments, and which moments are alive (Q,)."""
    m = integral.mixture
    deviations, linear = m.deviation_quantiles(PROBS), m.linear_quantiles(PROBS, slice(0, LINEAR))
    corrs = [R[:, *np.tril_indices(R.shape[1], -1)] for R in m.correlation_quantiles(PROBS)]
    return np.hstack([deviations, *corrs, linear]), integral.moments[1] > 0


def names(case: Case, integral: Integral, model: bb.MixedModel) -> list[str]:
    """Names in the order of the moments."""
    d = model.design
    out = ["sigma"] + [f"sd_{g.name}[{k}]" for g in d.groups for k in g.names]
    out += [f"corr_{g.name}" for g in d.groups for i in range(len(g.names)) for _ in range(i)]
    out += list(d.fixed_names)
    return out + ["b or group mean"] * (integral.moments.shape[1] - len(out))


def timed(model: bb.MixedModel, prior: bb.Prior, rel_error: float) -> tuple[Integral, float]:
    """The integral and its seconds."""
    start = time.perf_counter()
    integral = model.integrate(prior, rel_error=rel_error).integral
    return integral, time.perf_counter() - start


def measure(case: Case, rel_error: float = 0.01, fine_error: float | None = None) -> Record:
    """Integrate twice and compare."""
    out = Record(case)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = bb.MixedModel(case.formula, case.frame)
            rough, out.seconds = timed(model, case.prior, rel_error)
            found, alive = quantiles(rough)
        except Exception as error:
            out.trouble.append(f"{type(error).__name__}: {error}")
            return out
        aim = fine_error or FINE.get(rough.mixture.coordinates.size, 1e-3)
        while aim < 0.3 * rel_error:  # the finest that there is
            try:
                fine, out.fine_seconds = timed(model, case.prior, aim)
                truth, _ = quantiles(fine)
                if np.isfinite(fine.moments).all() and np.isfinite(truth).all():
                    break
                out.trouble.append(f"not finite at rel_error {aim:g}")
            except Exception as error:
                out.trouble.append(f"at rel_error {aim:g}: {type(error).__name__}: {error}")
            aim *= 10.0
        else:
            return out
    out.trouble += [f"{w.category.__name__}: {w.message}" for w in caught]
    out.names = names(case, rough, model)
    out.stated, out.points = rough.error, len(rough.mixture.points)
    if rough.error > rel_error:
        out.trouble.append(f"states {rough.error:.2g}, more than asked")
    if not (
        np.isfinite(rough.moments).all() and np.isfinite(found).all() and np.isfinite(rough.errors).all()
    ):
        out.trouble.append("a number that is not finite")
    sd = np.where(alive, fine.moments[1], 1.0)
    wrong = np.abs(rough.moments - fine.moments)
    room = 1e-9 * (np.abs(fine.moments) + sd)  # rounding
    out.moments = (np.maximum(wrong - room, 0.0) / (rough.errors + fine.errors + room))[:, alive]
    out.size = (wrong / sd)[:, alive]
    k = found.shape[1]
    out.quantiles = (np.abs(found - truth) / sd[:k])[:, alive[:k]]
    out.names = [name for name, kept in zip(out.names, alive, strict=True) if kept]
    return out


def worst(record: Record, values: np.ndarray) -> str:
    """Name of the quantity with the largest value (k, Q)."""
    row, column = np.unravel_index(values.argmax(), values.shape)
    return f"{record.names[column]}, {('mean', 'sd')[row] if len(values) == 2 else PROBS[row]}"


def report(records: list[Record], rel_error: float) -> str:
    """The table."""
    done = [r for r in records if r.moments is not None]
    light = [r for r in done if not r.case.heavy]
    ratios = np.concatenate([r.moments.ravel() for r in light])
    sizes = np.concatenate([r.size.ravel() for r in light])
    q = np.concatenate([r.quantiles.ravel() for r in done])
    lines = [
        f"models {len(records)}, finished {len(done)}, of which with E sd^2 in doubt {len(done) - len(light)}",
        f"seconds: all {sum(r.seconds for r in done):.1f}, median {np.median([r.seconds for r in done]):.3f}, "
        f"largest {max(r.seconds for r in done):.2f}; fine runs {sum(r.fine_seconds for r in done):.0f}",
        f"means and sds ({ratios.size}): true/stated <= 1 in {np.mean(ratios <= 1):.4f}, <= 3 in "
        f"{np.mean(ratios <= 3):.5f}, largest {ratios.max():.2f}",
        "  quantiles of true/stated 50, 90, 95, 99, 99.9 %: "
        + ", ".join(f"{x:.3f}" for x in np.quantile(ratios, [0.5, 0.9, 0.95, 0.99, 0.999])),
        f"  true error over rel_error: median {np.median(sizes) / rel_error:.3f}, "
        f"largest {sizes.max() / rel_error:.2f}",
        f"quantiles ({q.size}): error <= rel_error in {np.mean(q <= rel_error):.4f}, <= 3 rel_error in "
        f"{np.mean(q <= 3 * rel_error):.5f}, largest {q.max() / rel_error:.2f} rel_error",
        "  by probability, share within and largest: "
        + "; ".join(
            f"{100 * p:g} % {np.mean(np.concatenate([r.quantiles[k] for r in done]) <= rel_error):.4f} "
            f"{max(r.quantiles[k].max() for r in done) / rel_error:.2f}"
            for k, p in enumerate(PROBS)
        ),
        "worst means and sds",
    ]
    for r in sorted(light, key=lambda r: -r.moments.max())[:10]:
        lines.append(
            f"  seed {r.case.seed}: {r.moments.max():.2f} x stated, {r.size.max() / rel_error:.2f} rel_error; "
            f"{worst(r, r.moments)}; {r.case.label}; {r.points} points"
        )
    lines.append("worst quantiles")
    for r in sorted(done, key=lambda r: -r.quantiles.max())[:10]:
        lines.append(
            f"  seed {r.case.seed}: {r.quantiles.max() / rel_error:.2f} rel_error; {worst(r, r.quantiles)}; "
            f"{r.case.label}; {r.points} points"
        )
    lines.append("E sd^2 in doubt")
    for r in done:
        if r.case.heavy:  # whatever is stated of an sd that may not exist is wrong
            lines.append(
                f"  seed {r.case.seed}: stated {r.stated:.2g}, true {r.moments.max():.2f} x stated; {r.case.label}"
            )
    lines.append("trouble")
    for r in records:
        slow = [f"{r.seconds:.1f} s"] if r.seconds > 5 else []
        for what in dict.fromkeys(r.trouble + slow):
            lines.append(f"  seed {r.case.seed}: {what}; {r.case.label}")
    return "\n".join(lines)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rel-error", type=float, default=0.01)
    given = parser.parse_args()
    logging.getLogger("blupbayes").setLevel(logging.ERROR)
    records = [measure(draw(k), given.rel_error) for k in range(given.first, given.first + given.models)]
    print(report(records, given.rel_error))


if __name__ == "__main__":
    main()
