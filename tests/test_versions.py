"""Versions are read from the installed packages without importing them."""

import subprocess
import sys
from importlib.metadata import version

import blupbayes as bb
from blupbayes.versions import PACKAGES, versions


def test_versions_are_the_installed_ones():
    found = versions()
    assert set(found) == {"python", "system", *PACKAGES}
    for name in ("blupbayes", "numpy", "pymc"):
        assert found[name] == version(name)
    assert bb.__version__ == version("blupbayes")


def test_an_absent_package_is_named(monkeypatch):
    monkeypatch.setattr("blupbayes.versions.PACKAGES", ["no-such-package-at-all"])
    assert versions()["no-such-package-at-all"] == "not installed"


def test_printing_them_loads_nothing_heavy():
    code = "import blupbayes as bb, sys; bb.show_versions(); sys.exit('pymc' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"numpy       {version('numpy')}" in done.stdout
