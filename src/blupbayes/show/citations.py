"""What to cite for a comparison, as BibTeX and as text. The bibliographic data stand here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["REFERENCES", "Reference", "bibtex", "in_text", "reference_list"]

ESCAPES = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#"}


@dataclass(frozen=True)
class Reference:
    """A work.

    Parameters
    ----------
    key : str
        Of its BibTeX entry.
    authors : tuple of (family, given)
        An organisation has no given names.
    year : str
        "" for software without a publication.
    title : str
    journal, volume, number, pages : str
    doi : str
    url : str
    version : str
        Of software.
    """

    key: str
    authors: tuple[tuple[str, str], ...]
    year: str
    title: str
    journal: str = ""
    volume: str = ""
    number: str = ""
    pages: str = ""
    doi: str = ""
    url: str = ""
    version: str = ""


PYMC_AUTHORS = (
    ("Abril-Pla", "Oriol"), ("Andreani", "Virgile"), ("Carroll", "Colin"), ("Dong", "Larry"),
    ("Fonnesbeck", "Christopher J."), ("Kochurov", "Maxim"), ("Kumar", "Ravin"), ("Lao", "Junpeng"),
    ("Luhmann", "Christian C."), ("Martin", "Osvaldo A."), ("Osthege", "Michael"), ("Vieira", "Ricardo"),
    ("Wiecki", "Thomas"), ("Zinkov", "Robert"),
)  # fmt: skip
ARVIZ_AUTHORS = (
    ("Martin", "Osvaldo A."), ("Abril-Pla", "Oriol"), ("Deklerk", "Jordan"), ("Axen", "Seth D."), ("Carroll", "Colin"),
    ("Hartikainen", "Ari"), ("Vehtari", "Aki"),
)  # fmt: skip
R_HAT_AUTHORS = (
    ("Vehtari", "Aki"), ("Gelman", "Andrew"), ("Simpson", "Daniel"), ("Carpenter", "Bob"),
    ("Bürkner", "Paul-Christian"),
)  # fmt: skip
REFERENCES = {
    r.key: r
    for r in (
        Reference(
            "henderson1975", (("Henderson", "C. R."),), "1975",
            "Best linear unbiased estimation and prediction under a selection model",
            "Biometrics", "31", "2", "423--447", "10.2307/2529430",
        ),
        Reference(
            "robinson1991", (("Robinson", "G. K."),), "1991",
            "That BLUP is a good thing: The estimation of random effects",
            "Statistical Science", "6", "1", "15--32", "10.1214/ss/1177011926",
        ),
        Reference(
            "harville1974", (("Harville", "David A."),), "1974",
            "Bayesian inference for variance components using only error contrasts",
            "Biometrika", "61", "2", "383--385", "10.1093/biomet/61.2.383",
        ),
        Reference(
            "satterthwaite1946", (("Satterthwaite", "F. E."),), "1946",
            "An approximate distribution of estimates of variance components",
            "Biometrics Bulletin", "2", "6", "110--114", "10.2307/3002019",
        ),
        Reference(
            "kenward1997", (("Kenward", "Michael G."), ("Roger", "James H.")), "1997",
            "Small sample inference for fixed effects from restricted maximum likelihood",
            "Biometrics", "53", "3", "983--997", "10.2307/2533558",
        ),
        Reference(
            "hoffman2014", (("Hoffman", "Matthew D."), ("Gelman", "Andrew")), "2014",
            "The No-U-Turn Sampler: Adaptively setting path lengths in Hamiltonian Monte Carlo",
            "Journal of Machine Learning Research", "15", "47", "1593--1623",
        ),
        Reference(
            "vehtari2021", R_HAT_AUTHORS, "2021",
            "Rank-normalization, folding, and localization: An improved R-hat for assessing convergence of MCMC",
            "Bayesian Analysis", "16", "2", "667--718", "10.1214/20-BA1221",
        ),
        Reference(
            "pymc2023", PYMC_AUTHORS, "2023",
            "PyMC: A modern, and comprehensive probabilistic programming framework in Python",
            "PeerJ Computer Science", "9", "", "e1516", "10.7717/peerj-cs.1516",
        ),
        Reference(
            "arviz2026", ARVIZ_AUTHORS, "2026",
            "ArviZ: A modular and flexible library for exploratory analysis of Bayesian models",
            "Journal of Open Source Software", "11", "119", "9889", "10.21105/joss.09889",
        ),
        Reference(
            "nutpie", (("PyMC Developers", ""),), "", "nutpie: A fast sampler for Bayesian posteriors",
            url="https://github.com/pymc-devs/nutpie",
        ),
        Reference(
            "blupbayes", (("The blupbayes developers", ""),), "",
            "blupbayes: BLUPs, REML and the Bayesian posterior of a linear mixed model, side by side",
        ),
    )
}  # fmt: skip


def bibtex(references: Sequence[Reference]) -> str:
    """BibTeX entries, capitals kept."""
    return "\n\n".join(entry(r) for r in references)


def entry(r: Reference) -> str:
    """One BibTeX entry; only the fields that there are."""
    authors = " and ".join(f"{f}, {g}" if g else f"{{{f}}}" for f, g in r.authors)
    fields = {
        "author": authors,
        "title": f"{{{r.title}}}",
        "journal": r.journal,
        "year": r.year,
        "volume": r.volume,
        "number": r.number,
        "pages": r.pages,
        "doi": r.doi,
        "url": r.url,
        "note": f"Version {r.version}" if r.version else "",
    }
    raw = ("doi", "url")
    lines = [
        f"  {name} = {{{value if name in raw else escaped(value)}}}"
        for name, value in fields.items()
        if value
    ]
    return f"@{'article' if r.journal else 'misc'}{{{r.key},\n" + ",\n".join(lines) + "\n}"


def escaped(text: str) -> str:
    """Without characters that mean something to TeX."""
    return "".join(ESCAPES.get(c, c) for c in text)


def reference_list(references: Sequence[Reference]) -> str:
    """A list in the style of the APA, by author."""
    return "\n".join(sorted((line(r) for r in references), key=str.casefold))


def line(r: Reference) -> str:
    """One entry of the list."""
    names = [f"{family}, {initials(given)}" if given else family for family, given in r.authors]
    authors = names[0] if len(names) == 1 else f"{', '.join(names[:-1])}, & {names[-1]}"
    head = f"{authors.rstrip('.')}. ({r.year or 'n.d.'}). {r.title}"
    if not r.journal:
        version = f" (Version {r.version})" if r.version else ""
        return f"{head}{version} [Computer software]." + (f" {r.url}" if r.url else "")
    number = f"({r.number})" if r.number else ""
    pages = r.pages.replace("--", "\N{EN DASH}")
    doi = f" https://doi.org/{r.doi}" if r.doi else ""
    return f"{head}. {r.journal}, {r.volume}{number}, {pages}.{doi}"


def initials(given: str) -> str:
    """Paul-Christian -> P.-C.; Matthew D. -> M. D."""
    return " ".join("-".join(f"{part[0]}." for part in word.split("-") if part) for word in given.split())


def in_text(r: Reference, style: str) -> str:
    """Henderson 1975, in the style of the APA Henderson, 1975; plain, software without a year is its authors alone."""
    families = [family for family, _ in r.authors]
    both = " & " if style == "apa" else " and "
    names = f"{families[0]} et al." if len(families) > 2 else both.join(families)
    if style == "apa":
        return f"{names}, {r.year or 'n.d.'}"
    return f"{names} {r.year}".strip()
