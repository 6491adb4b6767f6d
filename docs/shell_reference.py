"""The options of the shell as Markdown, made from the parser: the generated part of docs/shell.md."""

from __future__ import annotations

import argparse
import re

from blupbayes.cli import parser

START, END = "<!-- made by docs/refresh_readme.py -->\n", "<!-- end -->\n"
PART = re.compile(f"(?<={re.escape(START)}).*?(?={re.escape(END)})", re.S)


def verbs() -> dict[str, tuple[argparse.ArgumentParser, str]]:
    """Name of each verb -> its parser and what it is for; aliases are left out."""
    (found,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    told = {str(choice.dest).split()[0]: choice.help or "" for choice in found._choices_actions}
    return {name: (found.choices[name], text) for name, text in told.items()}


def spelling(action: argparse.Action) -> str:
    """An option or argument as it is written, as code."""
    value = "" if action.nargs == 0 else " " + (action.metavar or placeholder(action))
    names = [f"`{name}{value}`" for name in action.option_strings] or [f"`{value.strip()}`"]
    return ", ".join(names).replace("|", "\\|")


def placeholder(action: argparse.Action) -> str:
    """What stands for a value: the choices, or the name in capitals."""
    return "|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def section(name: str, verb: argparse.ArgumentParser, told: str) -> str:
    """One verb: what it is for, a table of its options, its examples."""
    actions = [a for a in verb._actions if a.dest != "help"]
    rows = [f"| {spelling(a)} | {(a.help or '').replace('|', chr(92) + '|')} |" for a in actions]
    table = ["| argument | meaning |", "|---|---|", *rows, ""] if rows else []
    lines = (verb.epilog or "").splitlines()[1:]
    examples = ["```text", *(line.strip() for line in lines), "```", ""] if lines else []
    return "\n".join([f"## blupbayes {name}", "", f"{told[0].upper()}{told[1:]}.", "", *table, *examples])


def reference() -> str:
    """All verbs."""
    return "\n".join(section(name, *about) for name, about in verbs().items()) + "\n"


def renewed(text: str) -> str:
    """A page with its generated part made anew; a page without one as it is."""
    return PART.sub(lambda _: "\n" + reference(), text)
