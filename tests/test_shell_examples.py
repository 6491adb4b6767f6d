"""The help of the shell: examples that can be run, and a page on which no option is missing."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from blupbayes.cli import main, parser
from blupbayes.shell_examples import EXAMPLES, TOP

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "shell.md").read_text(encoding="utf-8")


def verbs():
    """Name -> parser of each verb, aliases left out."""
    (found,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return {
        str(shown.dest).split()[0]: found.choices[str(shown.dest).split()[0]]
        for shown in found._choices_actions
    }


def commands(text):
    """Commands of a help text, without their program."""
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("  blupbayes ")]


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_has_examples_that_the_parser_takes(verb, capsys):
    assert commands(EXAMPLES[verb])
    for arguments in commands(EXAMPLES[verb]):
        assert parser().parse_args(arguments).run is not None
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0 and EXAMPLES[verb] in capsys.readouterr().out  # not reflowed


def test_the_command_itself_has_examples(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert TOP in capsys.readouterr().out
    taken = [arguments for arguments in commands(TOP) if "--help" not in arguments]
    assert taken and all(parser().parse_args(arguments) for arguments in taken)


@pytest.mark.parametrize("verb", verbs())
def test_every_option_stands_on_the_page_of_the_shell(verb):
    section = PAGE.split(f"## blupbayes {verb}\n")[1].split("\n## ")[0]
    written = set(re.findall(r"`(--?[a-z][\w-]*)", section.split("```")[0]))
    options = {name for a in verbs()[verb]._actions for name in a.option_strings} - {"-h", "--help"}
    assert options == written, "run: uv run python docs/refresh_readme.py"
    positional = [a for a in verbs()[verb]._actions if not a.option_strings]
    assert all(f"`{a.metavar}`" in section for a in positional)


def test_the_page_has_no_verb_that_the_shell_lacks():
    assert re.findall(r"^## blupbayes (\w+)$", PAGE, re.M) == list(verbs())
