"""Examples for the help of each verb of the shell."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

__all__ = ["EXAMPLES", "TOP", "add_examples"]

TOP = """\
examples:
  blupbayes demo
  blupbayes compare scores.csv 'score ~ age + (age | school)' -o table.html
  blupbayes compare --help

A formula stands in quotes: (1 | g) is an intercept for each g, (x | g) a slope of x as well, correlated with it,
(x || g) not correlated. Bad input ends with one line on stderr and exit status 2; nothing is written then.
"""
EXAMPLES: Mapping[str, str] = {
    "demo": """\
examples:
  blupbayes demo
  blupbayes demo --sample --seed 7
""",
    "compare": """\
examples:
  blupbayes compare rail 'travel ~ 1 + (1 | Rail)'
  blupbayes compare scores.csv 'score ~ age + (age | school)' --missing drop -o table.html
  blupbayes compare scores.csv '`test score` ~ 1 + (1 | school/class)' --method REML --ci-prob 0.9
  blupbayes compare rail 'travel ~ 1 + (1 | Rail)' --prior 'HalfNormal(50)' --sample --draws 2000 --seed 1
""",
    "datasets": """\
examples:
  blupbayes datasets
  blupbayes compare sleepstudy 'Reaction ~ Days + (Days | Subject)'
""",
    "explorer": """\
examples:
  blupbayes explorer rail 'travel ~ 1 + (1 | Rail)' -o rail-explorer.html
""",
    "lesson": """\
examples:
  blupbayes lesson
  blupbayes lesson 4
  blupbayes lesson 4 -o course --force
""",
    "report": """\
examples:
  blupbayes report rail 'travel ~ 1 + (1 | Rail)' -o rail.html
  blupbayes report scores.csv 'score ~ age + (age | school)' -o scores.ipynb --force
  blupbayes report rail 'travel ~ 1 + (1 | Rail)' -o rail.md --strict
""",
    "versions": """\
examples:
  blupbayes versions
""",
}


def add_examples(top: argparse.ArgumentParser, verbs: Mapping[str, argparse.ArgumentParser]) -> None:
    """Put the examples below the help of the command and of every verb.

    Parameters
    ----------
    top : ArgumentParser
    verbs : dict
        Name -> parser; an alias is the parser of its verb.
    """
    for parser, text in [
        (top, TOP),
        *((verbs[name], text) for name, text in EXAMPLES.items() if name in verbs),
    ]:
        parser.epilog = text
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
