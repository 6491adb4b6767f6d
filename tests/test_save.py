"""Files of a comparison, and names that try to break out of them."""

import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.errors import ComparisonError
from blupbayes.show.save import new_file, save, write, write_new

NASTY = [
    "a<b & c>d",
    "50 % $x_1$ {z}",
    "~tilde^hat\\back",
    "\"quoted\" 'single'",
    "| pipe * star `tick`",
    "two\nlines",
    "#1 \N{GRINNING FACE} é",
    "long " * 40 + "end",
]


def shown(name):
    """A name in one line."""
    return name.strip().replace("\n", " ")


@pytest.fixture(scope="module")
def rail():
    return bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))


@pytest.fixture(scope="module")
def found(rail):
    return bb.compare(rail.fit("ML"), rail.fit())


@pytest.fixture(scope="module")
def nasty():
    """A model whose group, levels and columns have such names, and an answer with such a label."""
    rows = [
        (level.strip(), 10.0 * j + k * (1 + 0.1 * j), float(k))
        for j, level in enumerate(NASTY)
        for k in range(4)
    ]
    frame = pd.DataFrame(rows, columns=["a&b <i> $%_", "y", "x_1"])
    model = bb.MixedModel("y ~ x_1 + (1 | `a&b <i> $%_`)", frame)
    return bb.compare({"REML & <b>50 %</b> $_{}": model.fit()})


@pytest.mark.parametrize("suffix", [".html", ".md", ".tex", ".txt", ".csv", ".HTML"])
def test_the_suffix_says_how(found, tmp_path, suffix):
    path = found.save(tmp_path / f"table{suffix}")
    written = path.read_text(encoding="utf-8")
    faces = {
        ".html": found.to_html(standalone=True), ".md": found.to_markdown(), ".tex": found.to_latex(),
        ".txt": found.to_text(), ".csv": found.to_csv(),
    }  # fmt: skip
    assert written == faces[suffix.lower()]


def test_csv_holds_every_digit(found, tmp_path):
    assert found.to_csv(tmp_path / "t.csv") == (tmp_path / "t.csv").read_text(encoding="utf-8")
    again = pd.read_csv(io.StringIO(found.to_csv()))
    # 1 ulp: the reader's own rounding
    np.testing.assert_allclose(again["estimate"], found.to_dataframe()["estimate"], rtol=3e-16)


@pytest.mark.parametrize("name", ["table.docx", "table"])
def test_other_suffixes_are_refused(found, tmp_path, name):
    with pytest.raises(ComparisonError, match=r"it is one of \.html, \.md, \.tex, \.txt, \.csv"):
        found.save(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_path_that_cannot_be_written_is_named_and_nothing_is_lost(found, tmp_path):
    there = tmp_path / "none" / "table.html"
    with pytest.raises(
        ComparisonError, match=f"cannot write {re.escape(str(there))}: No such file or directory"
    ):
        found.save(there)
    with pytest.raises(ComparisonError, match="cannot write"):
        found.to_csv(tmp_path)  # a directory
    assert found.save(tmp_path / "table.html").exists()


def test_nothing_is_rendered_for_a_suffix_that_is_not_asked_for(tmp_path):
    assert (
        save(tmp_path / "a.md", {".md": lambda: "x", ".tex": lambda: pytest.fail("rendered")}).read_text()
        == "x"
    )
    assert write(str(tmp_path / "b"), "é\n").read_bytes() == "é\n".encode()


def test_a_new_file_is_refused_before_any_work(tmp_path):
    there = write(tmp_path / "there.html", "kept")
    for path, why in [
        (tmp_path, "it is a folder"),
        (tmp_path / "page.txt", r"must end in \.html or \.md"),
        (tmp_path / "none" / "page.html", "there is no folder"),
        (there, "the file exists.*force=True"),
    ]:
        with pytest.raises(ComparisonError, match=rf"^show\('{re.escape(str(path))}'\): .*{why}"):
            new_file("show", path, (".html", ".md"), False)
    assert new_file("show", there, (".html",), True) == there
    assert new_file("show", str(tmp_path / "page.HTML"), (".html",), False) == tmp_path / "page.HTML"


def test_an_interruption_leaves_what_was_there(tmp_path, monkeypatch):
    path = write(tmp_path / "page.html", "before")

    def interrupted(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(path), "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_new(path, "after")
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    assert write_new(path, "after").read_text() == "after" and list(tmp_path.iterdir()) == [path]


def test_a_new_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ComparisonError, match="cannot write"):
        write_new(tmp_path / "none" / "page.html", "text")


class Texts(HTMLParser):
    """Text and tags of a page."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.tags = [], set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_html_shows_every_name_whole(nasty):
    page = Texts(nasty.to_html(standalone=True))
    text = " ".join(page.texts)
    for name in (*(shown(n) for n in NASTY), "a&b <i> $%_", "REML & <b>50 %</b> $_{}", "x_1"):
        assert name in text
    assert not {"i", "b"} & page.tags


def unescaped(text):
    """LaTeX text as it is printed: the inverse of escaping, written from LaTeX's own rules."""
    words = {
        "textbackslash": "\\",
        "textasciitilde": "~",
        "textasciicircum": "^",
        "textbar": "|",
        "textless": "<",
        "textgreater": ">",
    }
    text = text.replace("$-$", "-")
    assert not re.search(r"(?<!\\)[%&$#_]", text), text
    text = re.sub(
        r"\\(text[a-z]+)\{\}", lambda m: words[m[1]], text.replace(r"\{", "\0").replace(r"\}", "\1")
    )
    text = re.sub(r"\\([&%$#_])", r"\1", text)
    return text.replace("\0", "{").replace("\1", "}")


def test_latex_shows_every_name_whole_and_every_environment_ends(nasty):
    latex = nasty.to_latex()
    rows = [
        line.split(" & ")[0].removeprefix(r"\quad ")
        for line in latex.splitlines()
        if line.startswith(r"\quad ")
    ]
    printed = [unescaped(row) for row in rows]
    for name in NASTY:
        assert f"a&b <i> $%_ {shown(name)}" in printed
    begun, ended = (re.findall(rf"\\{word}\{{(\w+)\}}", latex) for word in ("begin", "end"))
    assert begun == ["table", "tabular"] and ended == ["tabular", "table"]
    columns = len(re.search(r"\\begin\{tabular\}\{(l?r*)\}", latex)[1])
    for line in latex.splitlines():
        if line.endswith(r"\\"):
            spans = [int(k) - 1 for k in re.findall(r"\\multicolumn\{(\d+)\}", line)]
            assert len(re.findall(r"(?<!\\)&", line)) + 1 + sum(spans) == columns
    depth = 0
    for sign in re.findall(r"(?<!\\)[{}]", latex):
        depth += 1 if sign == "{" else -1
        assert depth >= 0
    assert depth == 0


def test_markdown_shows_every_name_whole(nasty):
    text = nasty.to_markdown()
    plain = re.sub(r"\\([\\|*`<_$&~\]])", r"\1", text)
    for name in NASTY:
        assert f"a&b <i> $%_ {shown(name)}" in plain
    for block in (b.splitlines() for b in text.split("\n\n") if b.startswith("|")):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block}) == 1
