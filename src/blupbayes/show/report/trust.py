"""How far to trust the answers: doubts, certificates, stated errors, convergence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blupbayes.show.methods import ceiling
from blupbayes.show.report.doubts import LIMIT, doubts
from blupbayes.show.report.findings import Findings
from blupbayes.show.report.pieces import Grid, Items, Piece
from blupbayes.variances import significant

__all__ = ["diagnostics", "no_doubt"]


def no_doubt(f: Findings) -> str:
    """What was looked for and not found."""
    fits = "Every search converged, and no estimate is on the boundary." if f.subject.of("fit") else ""
    draws = f"No transition diverged, and no R-hat is above {LIMIT}." if f.subject.of("draws") else ""
    return " ".join(filter(None, [fits, draws])) or "There is nothing to be careful about."


def diagnostics(f: Findings) -> Iterator[Piece]:
    """How far each answer can be trusted."""
    subject = f.subject
    careful = doubts(subject.answers)
    yield Items(tuple(f"Be careful: {line}." for line in careful) or (no_doubt(f),))
    if fits := subject.of("fit"):
        yield fit_grid(fits)
    if integrals := subject.of("integral"):
        yield integral_grid(integrals)
    if draws := subject.of("draws"):
        yield draws_grid(draws)
    told = [f"{name}: {m}" for name, a in subject.answers.items() for m in getattr(a, "messages", ())]
    said = [*dict.fromkeys([*told, *subject.comparison.remarks])]
    yield Items(tuple(said) or ("There are no further messages.",))


def fit_grid(fits: dict[str, Any]) -> Grid:
    """Certificates of estimates."""
    rows = tuple(
        (
            name, "yes" if a.converged else "NO", "yes" if a.is_boundary else "no", significant(a.log_likelihood),
            f"at most {ceiling(a.certificate.newton_decrement)}", f"{a.certificate.gradient:.1e}",
            str(a.certificate.n_factorizations),
        )
        for name, a in fits.items()
    )  # fmt: skip
    heads = (
        "fit", "converged", "on the boundary", "log-likelihood", "deviance units to the optimum", "largest slope",
        "factorisations",
    )  # fmt: skip
    note = "The log-likelihood of REML is the restricted one. Deviance units to the optimum: by the quadratic model."
    return Grid("Estimates and their certificates", heads, rows, (note,))


def integral_grid(integrals: dict[str, Any]) -> Grid:
    """Stated errors of integrals."""
    keys = ("error", "rel_error", "points", "modes", "leaked_mass")
    rows = tuple((name, *(f"{a.diagnostics[k]:.2g}" if k != "points" else str(a.diagnostics[k]) for k in keys))
                 for name, a in integrals.items())  # fmt: skip
    heads = ("posterior", "stated error", "asked for", "points", "modes", "mass beyond the lattice")
    note = "Errors are those of posterior means and sds, the largest one, in posterior sds."
    return Grid("Posterior by integration: no draws, a stated error", heads, rows, (note,))


def draws_grid(draws: dict[str, Any]) -> Grid:
    """Convergence of draws."""
    rows = []
    for name, a in draws.items():
        d = a.diagnostics
        rows.append(
            (
                name, str(d["chains"]), str(d["draws"]), str(d["divergences"]), f"{d['r_hat']:.3f}",
                f"{d['ess_bulk']:.0f}", f"{d['ess_tail']:.0f}", str(a.data.attrs.get("random_seed", "not noted")),
            )
        )  # fmt: skip
    heads = (
        "posterior", "chains", "draws each", "divergences", "largest R-hat", "smallest ESS (bulk)",
        "smallest ESS (tail)", "seed",
    )  # fmt: skip
    note = "R-hat is rank-normalised; ESS is the effective sample size. Both are the worst of all parameters."
    return Grid("Posterior by draws: convergence", heads, tuple(rows), (note,))
