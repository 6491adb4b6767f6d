"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import warnings

import pytest

import blupbayes

MODULES = sorted(
    m.name for m in pkgutil.walk_packages(blupbayes.__path__, "blupbayes.") if "__main__" not in m.name
)


def examples(name: str) -> list[doctest.DocTest]:
    """The docstrings of a module that hold examples."""
    module = importlib.import_module(name)
    return [test for test in doctest.DocTestFinder().find(module, name) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    found = examples(name)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in found:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


def test_the_front_door_has_examples():
    # a class or function that users call without one is an oversight; read_posterior needs a sampler first
    lacking = [
        name
        for name in set(blupbayes.__all__) - {"read_posterior"}
        if callable(thing := getattr(blupbayes, name))
        and not (isinstance(thing, type) and issubclass(thing, Exception))
        and ">>>" not in (thing.__doc__ or "")
    ]
    assert lacking == []
