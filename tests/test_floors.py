"""The house stands on its floors: a file imports only from lower ones, imports inside functions included.

The one place where floors are written is the table of docs/architecture.md; this test reads it from there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
FILES = {str(f.relative_to(SOURCE / "blupbayes")): f for f in sorted((SOURCE / "blupbayes").rglob("*.py"))}
ROW = re.compile(r"^\| (?P<floor>\d+(?:\.\d+)?) \| `(?P<file>[\w/]+\.py)` \|", re.M)

# Packages that one room of the house has to itself.
# PyMC: its two models, the variables that they share, and what draws from them.
PYMC = ("bayes/hierarchical.py", "bayes/collapsed.py", "bayes/variables.py", "bayes/sampling.py")
RESERVED = {
    "pymc": PYMC,
    "pytensor": ("bayes/",),
    "nutpie": PYMC,
    "numba": ("mme/kernels.py",),
    "matplotlib": ("show/figures/",),
}


def read_floors() -> dict[str, float]:
    """File -> floor, as the table of docs/architecture.md has them."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [(m["file"], float(m["floor"])) for m in ROW.finditer(text)]
    assert len(rows) == len(dict(rows)), "a file stands twice in the table"
    return dict(rows)


FLOORS = read_floors()


def absolute(node: ast.ImportFrom, file: str) -> str:
    """Absolute name of the module after ``from``, for a relative import too."""
    if not node.level:
        return node.module or ""
    package = ["blupbayes", *file.split("/")[:-1]]
    return ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])


def imported(tree: ast.AST, file: str) -> Iterator[str]:
    """Every module that a file names in an import, anywhere; ``from m import n`` gives m and m.n."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node, file)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func)
            if called.split(".")[-1] in {"import_module", "__import__"}:
                yield str(node.args[0].value)


def rooms(tree: ast.AST, file: str) -> set[str]:
    """The files of the house that a file imports; a package counts as its ``__init__.py``."""
    paths = [name.split(".")[1:] for name in imported(tree, file) if name.split(".")[0] == "blupbayes"]
    candidates = {f"{'/'.join(path)}.py" for path in paths} | {
        "/".join([*path, "__init__.py"]) for path in paths
    }
    return candidates & set(FILES)


def upward(source: str, file: str) -> list[str]:
    """The imports of a file that do not lead down."""
    mine = FLOORS.get(file, -1.0)  # a file without a floor may import nothing
    others = {other: FLOORS.get(other, float("inf")) for other in sorted(rooms(ast.parse(source), file))}
    return [
        f"{file} (floor {mine:g}) imports {other} (floor {floor:g})"
        for other, floor in others.items()
        if floor >= mine
    ]


def trespasses(source: str, file: str) -> list[str]:
    """The imports of a file that belong to another room."""
    names = {name.split(".")[0] for name in imported(ast.parse(source), file)}
    return [
        f"{file} imports {package}, which is for {', '.join(allowed)}"
        for package, allowed in RESERVED.items()
        if package in names and not file.startswith(allowed)
    ]


def test_the_table_has_every_file_and_no_other():
    missing, gone = sorted(set(FILES) - set(FLOORS)), sorted(set(FLOORS) - set(FILES))
    assert not missing and not gone, f"docs/architecture.md: rows to add for {missing}, to remove for {gone}"


@pytest.mark.parametrize("file", FILES)
def test_imports_lead_down(file):
    found = upward(FILES[file].read_text(encoding="utf-8"), file)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("file", FILES)
def test_reserved_packages_stay_in_their_room(file):
    found = trespasses(FILES[file].read_text(encoding="utf-8"), file)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "code",
    [
        "from blupbayes.results import Fit",
        "import blupbayes.results",
        "from blupbayes import results",
        "from ..results import Fit",
        "from .. import results",
        "def f():\n    from blupbayes.results import Fit",
        "if TYPE_CHECKING:\n    from blupbayes.results import Fit",
        "import importlib\nimportlib.import_module('blupbayes.results')",
        "import blupbayes as bb",
        "from blupbayes import load_dataset",
        "from blupbayes.mme.fit import estimate",  # the same file: not lower
    ],
)
def test_the_check_sees_an_import_that_leads_up(code):
    assert upward(code, "mme/fit.py")


@pytest.mark.parametrize(
    "code", ["from blupbayes.mme.statistics import reduce", "from . import statistics", "import numpy"]
)
def test_the_check_lets_an_import_down_pass(code):
    assert not upward(code, "mme/fit.py")


@pytest.mark.parametrize(
    ("code", "file"),
    [
        ("import pymc as pm", "results.py"),
        ("def f():\n    from numba import njit", "mme/factor.py"),
        ("import matplotlib.pyplot as plt", "show/tables.py"),
        ("__import__('pymc')", "cli.py"),
    ],
)
def test_the_check_sees_a_trespass(code, file):
    assert trespasses(code, file)
