"""Reports, whole: what stands in them, that their numbers are the table's, and that their code gives them again."""

import json
import re
import sys
from types import SimpleNamespace

import html5lib
import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes import reports
from blupbayes.cli import main
from blupbayes.errors import BlupbayesError, ComparisonError, DataError
from blupbayes.show.report import compose
from blupbayes.show.report.doubts import doubts

RAIL = "travel ~ 1 + (1 | Rail)"
SECTIONS = [
    "The question", "The answer in short", "The data", "The model", "The priors", "The answers side by side",
    "What shrinks, and by how much", "Why posterior means are not the BLUPs", "What the prior does",
    "How far to trust the answers", "Methods", "What to cite", "Doing it again",
]  # fmt: skip
SCHOOLS = ['<A & "B">', "Müller's", "a_b*c", "x|y", "$5"]


def own_csv(path):
    """Somebody's own table: a column with blanks and an umlaut, levels that break HTML, Markdown and LaTeX."""
    rng = np.random.default_rng(1)
    school = np.repeat(SCHOOLS, 6)
    height = (150 + np.repeat(rng.normal(0, 8, 5), 6) + rng.normal(0, 5, 30)).round(1)
    frame = pd.DataFrame({"Höhe (cm)": height, "Alter": rng.integers(5, 12, 30), "Schule <1>": school})
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def rail():
    return bb.MixedModel(RAIL, bb.load_dataset("rail")).compare()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def page(rail, folder):
    """A report as HTML, with one further prior."""
    return rail.report(folder / "rail.html", sensitivity={"tight": "HalfNormal(10)"}).read_text(
        encoding="utf-8"
    )


@pytest.fixture(scope="module")
def own(folder):
    """The report of somebody's own file, through the shell, as Markdown."""
    data, out = own_csv(folder / "meine daten.csv"), folder / "own.md"
    arguments = ["report", data, "`Höhe (cm)` ~ Alter + (1 | `Schule <1>`)", "-o", out, "--no-sensitivity"]
    assert main([str(a) for a in arguments]) == 0
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def book(folder):
    """The report of a table that is in no file, as a notebook."""
    data = bb.load_dataset("rail").iloc[1:]
    cmp = bb.MixedModel(RAIL, data).compare(bb.Prior(sd="HalfNormal(50)"))
    return json.loads(cmp.report(folder / "rail.ipynb", sensitivity=False).read_text(encoding="utf-8"))


def text_of(element):
    return " ".join("".join(element.itertext()).split())


def tree(text):
    """The page, parsed by the rules of HTML; any breach of them is an error."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)


def test_the_page_is_one_valid_file_that_asks_for_nothing_else(page):
    root = tree(page)
    assert root.get("lang") == "en" and len(root.findall(".//h1")) == 1
    assert [text_of(h) for h in root.findall(".//h2")] == SECTIONS
    asked = [e.get(a) for e in root.iter() for a in ("src", "href", "srcset") if e.get(a)]
    assert asked and all(a.startswith(("data:", "#")) for a in asked)
    assert (
        not root.findall(".//script")
        and not root.findall(".//link")
        and "url(" not in page
        and "@import" not in page
    )
    assert len(page.encode()) < 2_000_000


def test_contents_lead_to_every_section(page):
    root = tree(page)
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert [a.get("href")[1:] for a in root.findall(".//nav//a")] == [
        h.get("id") for h in root.findall(".//h2")
    ]


def test_pictures_and_tables_say_what_they_are(page):
    root = tree(page)
    images, figures = root.findall(".//img"), root.findall(".//figure")
    assert len(images) == len(figures) >= 4  # priors, shrinkage, ledger, sensitivity
    assert all(len(i.get("alt")) > 40 for i in images) and all(text_of(f.find("figcaption")) for f in figures)
    assert all(f.find("picture/source") is not None for f in figures)  # another one for phones
    tables = root.findall(".//table")
    assert tables and all(text_of(t.find("caption")) for t in tables)
    assert all(th.get("scope") for t in tables for th in t.iter("th") if text_of(th))


def test_numbers_are_those_of_the_table_and_right(page, rail):
    y = bb.load_dataset("rail").groupby("Rail", observed=True)["travel"]
    between, within = 3 * y.mean().var(ddof=1), y.var(ddof=1).mean()
    sd = float(np.sqrt((between - within) / 3))  # REML of a balanced one-way layout
    cells = {
        text_of(r.find("th")): [text_of(c) for c in r.findall("td")]
        for r in tree(page).findall(".//tbody/tr")
    }
    assert cells["sd(Rail)"][0] == f"{sd:.2f}" == "24.81"
    assert cells["Intercept"][0] == "66.50" and cells["sd(residual)"][0] == f"{np.sqrt(within):.3f}"
    table = (
        rail.to_dataframe()
        .query("estimator == 'integrate' and component == 'sd' and group == 'Rail'")
        .iloc[0]
    )
    assert cells["sd(Rail)"][2:] == [f"{table.estimate:.2f}", f"[{table.ci_lb:.2f}, {table.ci_ub:.2f}]"]


def test_the_long_table_can_be_taken_along(page, rail):
    from base64 import b64decode

    (link,) = [a for a in tree(page).findall(".//a") if a.get("download")]
    assert b64decode(link.get("href").split(",")[1]).decode() == rail.to_csv()


def test_it_says_what_was_asked_what_was_used_and_how_to_do_it_again(page, rail):
    said = text_of(tree(page).find("body"))
    for piece in (
        "What is the mean of travel (ns)", "Devore (2000)", "minus 36100 ns", "HalfStudentT(3, 23.645)", "tight",
        rail.verdict(), rail.answers["REML"].data_hash, "blupbayes 0.1.0", "henderson1975", "load_dataset('rail')",
        "none: nothing was drawn at random", "Every search converged", *rail.methods_text().split("\n\n"),
    ):  # fmt: skip
        assert " ".join(piece.split()) in said, piece


def test_names_are_shown_as_they_are_in_html(folder):
    data = pd.read_csv(own_csv(folder / "again.csv"))
    model = bb.MixedModel("`Höhe (cm)` ~ Alter + (1 | `Schule <1>`)", data)
    text = bb.compare(model.fit()).report(folder / "own.html", sensitivity=False).read_text(encoding="utf-8")
    root = tree(text)
    said = text_of(root.find("body"))
    assert all(name in said for name in [*SCHOOLS, "Höhe (cm)", "Schule <1>"])
    assert text_of(root.find(".//h1")) == "Höhe (cm) by Schule <1>"
    assert "&amp;amp;" not in text and "&amp;lt;" not in text


def test_a_table_from_the_shell_as_markdown(own, folder):
    assert [line[3:] for line in own.splitlines() if line.startswith("## ")] == ["Contents", *SECTIONS]
    assert re.findall(r"^- \[(.+)\]\(#(.+)\)$", own, re.M)[7] == (
        "Why posterior means are not the BLUPs", "why-posterior-means-are-not-the-blups",
    )  # fmt: skip
    pictures = re.findall(r"\]\((own_files/[a-z0-9-]+\.png)\)", own)
    assert len(pictures) == 3 and len(set(pictures)) == 3
    assert all((folder / p).read_bytes().startswith(b"\x89PNG") for p in pictures)
    rows = [line for line in own.splitlines() if line.startswith("| Schule")]
    assert rows and "x\\|y" in own and "\\<A & " in own and "File: meine daten.csv" in own
    assert (
        len({line.count("|") - line.count("\\|") for line in own.splitlines() if line.startswith("| a_b")})
        == 1
    )
    assert "```math\n\\begin{aligned}\n\\text{Höhe (cm)}_{i}" in own
    assert "It was left out on request" in own


def code_of(book):
    return ["".join(c["source"]) for c in book["cells"] if c["cell_type"] == "code"]


def test_a_notebook_was_run_and_tells_the_same(book):
    cells = [c for c in book["cells"] if c["cell_type"] == "code"]
    assert [c["execution_count"] for c in cells] == list(range(1, len(cells) + 1))
    outputs = [o for c in cells for o in c["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert any(
        "numbers are those of the report; the largest difference is 0" in "".join(o.get("text", ""))
        for o in outputs
    )
    assert sum("image/png" in o.get("data", {}) for o in outputs) == 3
    told = "\n".join("".join(c["source"]) for c in book["cells"] if c["cell_type"] == "markdown")
    assert all(f"## {title}" in told for title in SECTIONS) and "$$\n\\begin{aligned}" in told
    assert "cell-01" in [c["id"] for c in book["cells"]] and "execution" not in json.dumps(
        [c["metadata"] for c in cells]
    )


def test_a_reader_gets_the_same_numbers_or_is_told(book, capsys):
    wanted = [c for c in code_of(book) if not re.match(r"cmp\.plot|display|bb\.show|print\(cmp", c)]
    space = {}
    for code in wanted:
        exec(code, space)
    assert "numbers are those of the report" in capsys.readouterr().out
    (check,) = [c for c in wanted if "reported" in c]
    number = re.search(r"^fixed,,,Intercept,REML,(.+)$", check, re.M)[1]
    with pytest.raises(AssertionError):
        exec(check.replace(number, str(float(number) * 1.01)), space)
    with pytest.raises(AssertionError, match="missing here"):
        exec(check.replace("sd,Rail", "sd,Rial"), space)


def test_a_boundary_is_told_and_strict_is_strict(tmp_path, capsys):
    out = tmp_path / "d.md"
    arguments = [
        "report",
        "dyestuff2",
        "Yield ~ 1 + (1 | Batch)",
        "-o",
        str(out),
        "--no-sensitivity",
        "--no-exact",
    ]
    assert main([*arguments, "--strict"]) == 2
    told = capsys.readouterr()
    assert (
        told.err == "blupbayes: strict: ML: boundary fit, sd(Batch) = 0; REML: boundary fit, sd(Batch) = 0\n"
    )
    assert told.out == f"{out}, with its figures in {out.stem}_files\n"
    text = out.read_text(encoding="utf-8")
    assert "Be careful: ML: boundary fit, sd(Batch) = 0" in text and "The fit is valid" in text
    assert "**Priors: not here.**" in text and "**Ledger: not here.**" in text
    assert main(arguments) == 2 and "exists" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 0


def answer(**found):
    usual = {"divergences": 0, "r_hat": 1.0, "chains": 4, "draws": 10}
    return SimpleNamespace(data=None, diagnostics=usual | found)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, []),
        ({"r_hat": 1.01}, []),
        ({"r_hat": 1.0101}, ["NUTS: R-hat 1.010, above 1.01"]),
        ({"r_hat": float("nan")}, ["NUTS: R-hat cannot be computed"]),
        ({"divergences": 1}, ["NUTS: 1 divergence"]),
        ({"divergences": 3, "r_hat": 1.2}, ["NUTS: 3 divergences", "NUTS: R-hat 1.200, above 1.01"]),
    ],
)
def test_doubts_of_draws(found, said):
    assert doubts({"NUTS": answer(**found)}) == said


def test_what_cannot_be_computed_says_why(tmp_path):
    model = bb.MixedModel(
        "Reaction ~ poly(Days, 4) + (poly(Days, 4) | Subject)", bb.load_dataset("sleepstudy")
    )
    text = bb.compare(model.fit()).report(tmp_path / "many.md").read_text(encoding="utf-8")
    assert "**Priors: not here.**" in text and "Add model.integrate() or model.sample()" in text
    assert re.search(r"\*\*Sensitivity to the prior: not here\.\*\* .*variance parameters", text)
    assert "variances held at their estimates" in text  # what is there, is there


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError("broken")])
@pytest.mark.parametrize("suffix", ["html", "md", "ipynb"])
def test_a_report_that_is_stopped_leaves_nothing(rail, tmp_path, monkeypatch, stop, suffix):
    def broken(_):
        raise stop

    monkeypatch.setattr(compose, "MAKERS", {"table": broken})
    with pytest.raises(type(stop) if isinstance(stop, Exception) else stop):
        rail.report(tmp_path / f"r.{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_a_cell_that_fails_leaves_no_notebook_and_is_told(rail, tmp_path, monkeypatch):
    monkeypatch.setattr(compose, "MAKERS", {})
    monkeypatch.setattr(reports, "cells", lambda *_: [("code", "1 / 0")])
    with pytest.raises(BlupbayesError, match="ZeroDivisionError"):
        rail.report(tmp_path / "r.ipynb")
    assert list(tmp_path.iterdir()) == []


def test_what_would_be_refused_in_the_end_is_refused_before_the_work(rail, tmp_path, monkeypatch):
    def work(*_):
        raise AssertionError("work was done")

    monkeypatch.setattr(reports, "compose", work)
    (tmp_path / "there.html").write_text("mine")
    arrays = bb.MixedModel.from_arrays(np.arange(6.0), np.ones((6, 1)), np.repeat(np.eye(3), 2, 0))
    with pytest.raises(ComparisonError, match="exists"):
        rail.report(tmp_path / "there.html")
    with pytest.raises(DataError, match=r"Write \.html or \.md"):
        bb.compare(arrays.fit()).report(tmp_path / "r.ipynb")
    with pytest.raises(DataError, match="cannot be read"):
        rail.report(tmp_path / "r.html", data=tmp_path / "none.csv")
    monkeypatch.setattr(reports, "find_spec", lambda name: None if name == "nbclient" else name)
    with pytest.raises(BlupbayesError, match=r"nbclient.*blupbayes\[report\]"):
        rail.report(tmp_path / "r.ipynb")


def test_the_shell_refuses_an_output_before_it_reads_the_data(tmp_path, capsys):
    for out, why in ((tmp_path, "it is a folder"), (tmp_path / "r.pdf", "must end in")):
        assert main(["report", "no such data.csv", RAIL, "-o", str(out)]) == 2
        assert why in capsys.readouterr().err


def test_progress_is_for_terminals(monkeypatch, capsys):
    with reports.progress(3, True) as advance:
        advance("one")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with reports.progress(3, True) as advance:
        advance("The data")
        shown = advance.__name__
    assert shown == "advance" and "The data" in capsys.readouterr().out
    with reports.progress(3, False) as advance:
        advance("two")
    assert capsys.readouterr() == ("", "")
