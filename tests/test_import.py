"""`import blupbayes` is light, and its public surface is data: sorted, complete, importable."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import blupbayes as bb

HEAVY = ("pymc", "pytensor", "numba", "matplotlib", "arviz", "xarray", "scipy.stats", "nutpie", "rich")


def loaded_by(code: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter has loaded after running ``code``."""
    report = f"import sys; print('loaded:', *[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.strip().splitlines()[-1].removeprefix("loaded:").split())


def test_import_loads_nothing_heavy():
    assert loaded_by("import blupbayes") == set()


def test_a_small_fit_needs_neither_compiler_nor_sampler():
    # Rail is one dense block: NumPy alone answers (xarray and scipy.stats may serve tables).
    code = (
        "import blupbayes as bb\n"
        "fit = bb.MixedModel('travel ~ 1 + (1 | Rail)', bb.load_dataset('rail')).fit('REML')\n"
        "fit.ranef(), fit.summary(), repr(fit)"
    )
    assert not loaded_by(code) & {"pymc", "pytensor", "numba", "matplotlib", "arviz", "nutpie"}


def test_the_probe_sees_a_heavy_import():
    assert "scipy.stats" in loaded_by("import scipy.stats")


def test_all_is_sorted_and_unique():
    assert list(bb.__all__) == sorted(set(bb.__all__))


@pytest.mark.parametrize("name", bb.__all__)
def test_every_public_name_can_be_had_and_explained(name):
    value = getattr(bb, name)
    if callable(value):
        assert (value.__doc__ or "").strip(), f"blupbayes.{name} has no docstring"


def test_all_is_complete():
    # Whatever the package offers under a name without underscore is either a module or public.
    offered = {
        name
        for name in dir(bb)
        if not name.startswith("_")
        and name != "annotations"
        and not isinstance(getattr(bb, name), ModuleType)
    }
    assert offered <= set(bb.__all__)


def test_the_contract_is_there():
    promised = {"MixedModel", "Prior", "compare", "list_datasets", "load_dataset"}
    assert promised <= set(bb.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = bb.no_such_name
