"""Versions of what is installed, for bug reports."""

from __future__ import annotations

import platform

__all__ = ["show_versions", "versions"]

PACKAGES = [
    "blupbayes",
    "numpy",
    "scipy",
    "pandas",
    "formulaic",
    "narwhals",
    "pymc",
    "pytensor",
    "nutpie",
    "arviz",
    "xarray",
    "numba",
    "matplotlib",
]


def versions() -> dict[str, str]:
    """Version of Python and of each package, "not installed" where it is absent; nothing is imported."""
    from importlib.metadata import PackageNotFoundError, version  # late: it reads all that email knows

    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def show_versions() -> None:
    """Print what to put into a bug report.

    Examples
    --------
    >>> import blupbayes as bb
    >>> bb.show_versions()  # doctest: +ELLIPSIS
    python      3...
    """
    for name, text in versions().items():
        print(f"{name:<11} {text}")
