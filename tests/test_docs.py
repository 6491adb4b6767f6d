"""The documents say what the code does: equation tags, executed examples and their outputs, links."""

from __future__ import annotations

import ast
import importlib.util
import re
import tomllib
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

import blupbayes
import blupbayes.results
import blupbayes.sensitivity

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "blupbayes"
TAG = re.compile(r"\[E-[A-Z0-9]+\]")
FOLDERS = (ROOT, ROOT / "docs", ROOT / "docs" / "api", ROOT / "docs" / "lessons", ROOT / "benchmarks")
MARKDOWN = sorted(page for folder in FOLDERS for page in folder.glob("*.md"))


def load_refresher() -> ModuleType:
    """Load docs/refresh_readme.py, which is a script and not part of the package."""
    spec = importlib.util.spec_from_file_location("refresh_readme", ROOT / "docs" / "refresh_readme.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


refresher = load_refresher()


def docstrings(source: str) -> list[str]:
    """Every docstring of a module, its classes and its functions."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]


def tags_of_the_code() -> dict[str, list[str]]:
    """Tag -> the files whose docstrings cite it."""
    found: dict[str, list[str]] = {}
    for file in sorted(SOURCE.rglob("*.py")):
        for tag in set(TAG.findall("\n".join(docstrings(file.read_text(encoding="utf-8"))))):
            found.setdefault(tag, []).append(str(file.relative_to(SOURCE)))
    return found


def test_every_tag_in_a_docstring_is_an_equation_of_the_theory_page():
    theory = set(TAG.findall((ROOT / "docs" / "theory.md").read_text(encoding="utf-8")))
    unknown = {tag: files for tag, files in tags_of_the_code().items() if tag not in theory}
    assert not unknown, f"cited in docstrings, but not in docs/theory.md: {unknown}"


def test_every_equation_of_the_theory_page_is_cited_by_the_code():
    theory = set(TAG.findall((ROOT / "docs" / "theory.md").read_text(encoding="utf-8")))
    assert theory <= set(tags_of_the_code()), "in docs/theory.md, but in no docstring: " + ", ".join(
        sorted(theory - set(tags_of_the_code()))
    )


def test_every_equation_is_stated_once():
    # An equation is stated where its tag opens a line; elsewhere the tag refers to it.
    text = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")
    stated = Counter(re.findall(r"^(\[E-[A-Z0-9]+\])", text, re.M))
    assert set(stated) == set(TAG.findall(text)) and set(stated.values()) == {1}


@pytest.mark.parametrize("page", refresher.PAGES, ids=lambda p: p.name)
def test_python_blocks_run_and_print_what_the_page_shows(page):
    _, found = refresher.refresh(page)
    assert not found, "\n".join([*found, "run: uv run python docs/refresh_readme.py"])


def test_a_page_is_run_in_one_namespace_and_its_output_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(refresher, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nx = 2\n```\n\n```python\nprint('x is', x)\n```\n\n```text\nx is 7\n```\nend\n"
    )
    text, found = refresher.refresh(page)
    assert found == ["- x is 7", "+ x is 2"]
    assert text == page.read_text().replace("x is 7", "x is 2")


def test_a_block_that_warns_is_an_error():
    with pytest.raises(UserWarning, match="look out"):
        refresher.run("import warnings; warnings.warn('look out')", {}, "page.md")


@pytest.mark.parametrize(
    ("expected", "actual", "tolerance", "agree"),
    [
        ("sd 24.81  Rail", "sd  24.81 Rail", 0, True),  # blanks are layout
        ("sd 24.81", "sd 24.82", 0, True),  # one unit of the last digit: rounding
        ("sd 24.81", "sd 24.83", 0, False),
        ("sd 24.81", "sd 25.9", 0.1, True),  # Monte Carlo
        ("sd 24.81", "sd 34.9", 0.1, False),
        ("slope 7.6e-14", "slope 2.1e-13", 0, True),  # rounding error
        ("sd 24.81", "se 24.81", 0.1, False),
        ("-12.39", "12.39", 0, False),
        ("a\nb", "a", 0, False),
        ("a\nNUTS: 1 divergence\n  in all\nb\n", "a\nNUTS: none\nb\n", 0.1, True),  # diagnostics of draws
        ("a\nNUTS: 1 divergence\nb\n", "a\nNUTS: none\nb\n", 0, False),
        ("b[1] 3.0", "b[2] 3.0", 0, False),  # a label is not a number
    ],
)
def test_outputs_are_compared_by_words_and_digits(expected, actual, tolerance, agree):
    assert (not refresher.differences(expected, actual, tolerance)) is agree


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda p: p.name)
def test_relative_links_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_the_files_that_the_readme_names_as_checks_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:tests|docs|benchmarks)/[\w./]*)`", text))
    assert named and not [name for name in named if not (ROOT / name).exists()]


def test_the_reference_has_every_public_name():
    written = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "docs" / "api").glob("*.md"))
    names = {name for name in blupbayes.__all__ if not name.startswith("_")}
    missing = [n for n in names if not re.search(rf"^\.\. auto\w+:: (blupbayes\.)?{n}$", written, re.M)]
    assert not missing, f"in no page of docs/api: {sorted(missing)}"


def test_the_summaries_of_the_reference_name_what_exists():
    nouns = {
        "MixedModel",
        "Fit",
        "Gaussian",
        "Posterior",
        "ExactPosterior",
        "Comparison",
        "Sensitivity",
        "Prior",
    }
    places = (blupbayes, blupbayes.results, blupbayes.comparison, blupbayes.sensitivity)
    classes = {name: next(getattr(p, name) for p in places if hasattr(p, name)) for name in nouns}
    seen = set()
    for page in (ROOT / "docs" / "api").glob("*.md"):
        for noun, member in re.findall(r"^   (\w+)\.(\w+)$", page.read_text(encoding="utf-8"), re.M):
            assert hasattr(classes[noun], member) or member in classes[noun].__annotations__, (noun, member)
            seen.add(noun)
    assert seen == nouns


def test_the_gallery_has_every_figure():
    gallery = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    figures = [name for name in dir(blupbayes.comparison.Comparison) if name.startswith("plot_")]
    figures += [name for name in dir(blupbayes.sensitivity.Sensitivity) if name.startswith("plot")]
    figures += [name for name in blupbayes.__all__ if name.startswith("plot_") or name == "figure"]
    assert len(figures) > 7 and not [name for name in figures if f".{name}(" not in gallery]


def test_the_readme_is_short():
    # At most 500 words: code, outputs and comments do not count.
    text = re.sub(r"```.*?```|<!--.*?-->", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S)
    assert len(re.findall(r"[A-Za-z][\w'-]*", text)) <= 500


def test_one_version_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert re.search(
        rf"^version: {re.escape(version)}$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M
    )
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
