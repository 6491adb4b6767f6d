"""The lessons: each runs at a user's, its numbers are checked, and its notebook is that of its script."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes import lessons
from blupbayes.cli import main

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
SCRIPTS = sorted(NOTEBOOKS.glob("[0-9]*.py"))
SECTIONS = ("The question", "The picture to remember", "The number to verify", "Exercises")
SECTIONS += ("What would change this conclusion", "Sources")
LIBRARIES = {"blupbayes", "numpy", "pandas", "matplotlib", "scipy", *sys.stdlib_module_names}
every_lesson = pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.stem)


def load_builder() -> ModuleType:
    """Load notebooks/build.py, which is a script and not part of the package."""
    spec = importlib.util.spec_from_file_location("build_lessons", NOTEBOOKS / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


builder = load_builder()


def code_of(script: Path) -> list[str]:
    """The code cells of a script."""
    return [cell.source for cell in builder.read(script).cells if cell.cell_type == "code"]


def expected_of(script: Path) -> dict[str, tuple[float, float]]:
    """EXPECTED as it is written in a script."""
    named = [
        node.value
        for node in ast.walk(ast.parse("\n".join(code_of(script))))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXPECTED"
    ]
    assert len(named) == 1, "a lesson has one EXPECTED"
    return ast.literal_eval(named[0])


def without_expected(source: str) -> str:
    """A cell without its own EXPECTED."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not ast.unparse(node).startswith("EXPECTED =")]
    return ast.unparse(tree)


# Each number is moved out of its tolerance, one at a time; the last cell of the lesson must then say which.
DAMAGE = """
_kept = dict(EXPECTED)
for _name, (_value, _tolerance) in _kept.items():
    EXPECTED = {{**_kept, _name: (_value + 2.001 * _tolerance, _tolerance)}}
    try:
        exec({check!r})
    except AssertionError as _refusal:
        assert _name in str(_refusal), (_name, str(_refusal))
    else:
        raise RuntimeError(f"{{_name}} is not checked by the last cell")
"""


@every_lesson
def test_it_runs_in_an_empty_folder_and_each_of_its_numbers_is_checked(script):
    notebook = builder.read(script)
    damage = DAMAGE.format(check=without_expected(code_of(script)[-1]))
    notebook.cells.append(nbformat.v4.new_code_cell(damage, id="damage"))
    done = builder.execute(notebook)
    assert not list(builder.faults(builder.tidy(done)))


@every_lesson
def test_its_notebook_is_that_of_the_script_and_fit_to_be_read(script):
    assert builder.stale(script) == "", f"run: uv run python notebooks/build.py {script.stem}"
    kept = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    nbformat.validate(kept)
    assert list(builder.faults(kept)) == []
    pictures = [
        o
        for c in kept.cells
        for o in c.get("outputs", [])
        if "<img " in o.get("data", {}).get("text/html", "")
    ]
    assert pictures, "a lesson has a picture to remember"
    assert not [o for o in pictures if "image/png" in o.data], "pictures are kept once"
    assert script.with_suffix(".ipynb").stat().st_size < 1_000_000
    assert f"{Path.home()}/" not in script.with_suffix(".ipynb").read_text(encoding="utf-8")


@every_lesson
def test_it_has_its_sections_and_its_line_in_the_list(script):
    text = re.sub(r"^# ?", "", script.read_text(encoding="utf-8"), flags=re.M)
    headings = re.findall(r"^##+ +(.+?) *$", text, re.M)
    assert [s for s in SECTIONS if not any(h.startswith(s) for h in headings)] == []
    row = bb.list_lessons().set_index("number").loc[int(script.stem[:2])]
    assert re.search(rf"^# {row.name}\. {re.escape(row.title)}$", text, re.M)
    assert row.question.endswith("?") and row.data


@every_lesson
def test_its_code_is_short_and_uses_what_users_have(script):
    for source in code_of(script):
        assert len(source.splitlines()) <= 25, source
    assert all(cell.source.strip() for cell in builder.read(script).cells), "an empty cell"
    for node in ast.walk(ast.parse("\n".join(code_of(script)))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        assert {name.split(".")[0] for name in names} <= LIBRARIES, names
        assert not [name for name in names if name.startswith("blupbayes.")], "only the public names"


@every_lesson
def test_its_expected_numbers_are_narrow(script):
    for name, (value, tolerance) in expected_of(script).items():
        assert 0 < tolerance <= max(0.05 * abs(value), 0.02), name


def test_there_is_a_lesson_for_every_number():
    assert [int(script.stem[:2]) for script in SCRIPTS] == list(range(1, len(SCRIPTS) + 1))


def shortest(tmp_path: Path, sigma: float = 4.021, shown: str = "") -> Path:
    """A lesson of three cells, in a temporary folder."""
    script = tmp_path / "01_a_lesson.py"
    script.write_text(
        "# %% [markdown]\n# # 1. A lesson\n\n# %%\nimport blupbayes as bb\nfit = bb.MixedModel("
        f"'travel ~ 1 + (1 | Rail)', bb.load_dataset('rail')).fit()\n{shown}\n\n"
        f"# %%\nEXPECTED = {{'sigma': ({sigma}, 0.001)}}\nFOUND = {{'sigma': fit.sigma}}\n"
        "for name, (value, tolerance) in EXPECTED.items():\n"
        "    assert abs(FOUND[name] - value) <= tolerance, name\n"
    )
    return script


def test_a_lesson_with_a_wrong_number_fails(tmp_path):
    with pytest.raises(builder.CellExecutionError, match="AssertionError"):
        builder.build(shortest(tmp_path, 4.027))
    assert not (tmp_path / "01_a_lesson.ipynb").exists()


def test_a_rebuild_without_change_gives_the_same_file_and_a_change_is_seen(tmp_path):
    script = shortest(tmp_path, shown="bb.compare(fit).plot_shrinkage()")
    assert "no notebook" in builder.stale(script)
    first = builder.build(script).read_bytes()
    assert builder.stale(script) == ""
    assert builder.build(script).read_bytes() == first
    assert first.count(b"base64,") == 1 and b'"image/png"' not in first  # one copy of the picture
    target = script.with_suffix(".ipynb")
    target.write_bytes(first.replace(b'"execution_count": 2', b'"execution_count": 5'))
    assert "top to bottom" in builder.stale(script)
    script.write_text(script.read_text().replace("plot_shrinkage", "plot_forest"))
    assert "other cells" in builder.stale(script)


def test_what_a_reader_should_not_see_is_refused(tmp_path, monkeypatch):
    cells = {
        "import warnings; warnings.warn('look out')": ["a warning"],
        "import os; print(os.getcwd())": ["a path of this machine"],
        "object()": ["an address in memory"],
        "from IPython.display import HTML; HTML('<progress></progress>')": ["a progress bar"],
        "import matplotlib.pyplot as plt; plt.plot([1, 2]);": ["a picture without alt text"],
        "print(1, '1/2', 'and/or')": [],
        "import sys; print('NUTS: [beta]\\nSampling 4 chains took 3 seconds.', file=sys.stderr)": [],
    }
    script = tmp_path / "01_a.py"
    script.write_text("\n\n".join(f"# %%\n{code}" for code in cells))
    notebook = builder.tidy(builder.execute(builder.read(script)))
    found = list(builder.faults(notebook))
    for place, wanted in enumerate(cells.values(), 1):
        mine = {f.partition(": ")[2] for f in found if f.startswith(f"cell {place}:")}
        assert len(mine) >= len(wanted) and all(any(m.startswith(w) for m in mine) for w in wanted), found
        assert wanted or not mine
    assert notebook.cells[-1].outputs == []  # what a sampler says of itself
    monkeypatch.setattr(builder, "execute", lambda _: notebook)
    with pytest.raises(SystemExit, match="address in memory"):
        builder.build(script)
    assert not script.with_suffix(".ipynb").exists()


@every_lesson
def test_it_is_copied_by_its_number_its_name_and_a_beginning(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    number, _, slug = script.stem.partition("_")
    notebook = script.with_suffix(".ipynb").read_bytes()
    for place, name in enumerate(
        (int(number), number, slug, slug.replace("_", " "), script.stem, f"{script.stem}.ipynb")
    ):
        (tmp_path / str(place)).mkdir()
        path = bb.lesson(name, str(place))
        assert path == Path(str(place), f"{script.stem}.ipynb") and path.read_bytes() == notebook


def test_work_in_a_copy_is_not_lost(tmp_path):
    path = bb.lesson(1, tmp_path)
    path.write_text("my work")
    with pytest.raises(bb.LessonError, match="force"):
        bb.lesson(1, tmp_path)
    assert path.read_text() == "my work"
    assert bb.lesson(1, tmp_path, force=True).read_text() != "my work"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_names_that_are_none_are_explained(tmp_path, monkeypatch):
    for name, told in (
        ("one equatoin", "Did you mean 'one_equation'"),
        ("13579", "no lesson"),
        ("", "no lesson"),
    ):
        with pytest.raises(bb.LessonError, match=told):
            bb.lesson(name, tmp_path)
    for stem in ("01_alpha_one", "02_alpha_two", "03_alpha"):
        (tmp_path / f"{stem}.py").write_text("# %% [markdown]\n# # Alpha\n")
    monkeypatch.setattr(lessons, "FOLDERS", (tmp_path,))
    with pytest.raises(bb.LessonError, match="alpha_one or alpha_two"):
        lessons.find("alpha_")
    assert lessons.find("alpha").stem == "03_alpha"  # whole names win
    assert lessons.find("alpha t").stem == "02_alpha_two"
    monkeypatch.setattr(lessons, "FOLDERS", (tmp_path / "nowhere",))
    with pytest.raises(bb.LessonError, match="install it again"):
        bb.list_lessons()


def test_places_that_cannot_hold_a_copy_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "01_one_equation.ipynb").mkdir()
    for folder, told in (("nowhere", "does not exist"), ("file", "not a folder"), (".", "is a folder")):
        with pytest.raises(bb.LessonError, match=told):
            bb.lesson(1, tmp_path / folder, force=True)


def test_an_interrupted_copy_leaves_nothing(tmp_path, monkeypatch):
    def stop(source, part):
        Path(part).write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(lessons.shutil, "copyfile", stop)
    with pytest.raises(KeyboardInterrupt):
        bb.lesson(1, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_list_reads_the_first_cell_only(tmp_path):
    script = tmp_path / "07_a_b.py"
    head = "# ---\n# jupyter: {}\n# ---\n\n# %% [markdown]\n# # 7. The *title*\n#\n# **Question.** What\n# for?\n#\n"
    rest = "# **Data.** `rail`,\n# oats\n\n# %%\nx = 1\n\n# %% [markdown]\n# **Question.** No.\n"
    script.write_text(head + rest)
    told = {"title": "The *title*", "question": "What for?", "data": "rail, oats"}
    assert lessons.row(script) == {"number": 7, "name": "a_b", **told}
    script.write_text(head + "# **Data.** Simulated,\n# so that `n` may be large.\n\n# %%\nx = 1\n")
    assert lessons.row(script)["data"] == "Simulated, so that n may be large."
    script.write_text(head + "# **Data.** `rail`: 6 rails. `oats`: fields.\n\n# %%\nx = 1\n")
    assert lessons.row(script)["data"] == "rail, oats"


def test_the_shell_lists_and_copies(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for verb in ("lesson", "lessons"):
        assert main([verb]) == 0
        out = capsys.readouterr().out
        assert all(str(name) in out for name in bb.list_lessons()["name"])
    assert main(["lesson", "1"]) == 0
    assert Path("01_one_equation.ipynb").is_file() and "01_one_equation.ipynb" in capsys.readouterr().out
    assert main(["lesson", "1"]) == 2
    refusal = capsys.readouterr().err
    assert refusal.startswith("blupbayes: ") and refusal.count("\n") == 1 and "--force" in refusal
    Path("x").mkdir()
    for _ in range(2):  # the second time over the first
        assert main(["lesson", "one", "--force", "-o", "x"]) == 0
    assert Path("x/01_one_equation.ipynb").is_file()


def test_the_list_is_a_plain_table():
    table = bb.list_lessons()
    assert isinstance(table, pd.DataFrame) and list(table) == ["number", "name", "title", "question", "data"]
    assert table["number"].is_monotonic_increasing and table["name"].is_unique
