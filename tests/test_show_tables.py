"""Text, Markdown, LaTeX and CSV of one sheet: the same cells in every one."""

import io
import re

import pandas as pd
import pytest

from blupbayes.show.sheet import compose
from blupbayes.show.tables import (
    escape_latex,
    escape_markdown,
    to_csv,
    to_html,
    to_latex,
    to_markdown,
    to_text,
)
from test_sheet import table

WIDE = 200


@pytest.fixture
def sheet():
    return compose(table(), "travel ~ 1 + (1 | Rail): 18 rows", ["prior sd_Rail ~ HalfNormal(50)."])


def cells_of(sheet):
    return {c for s in sheet.sections for row in s.rows for triple in row.cells for c in triple if c}


@pytest.mark.parametrize("render", [to_text, to_markdown, to_html])
def test_every_cell_and_note_is_there(sheet, render):
    text = render(sheet)
    for cell in cells_of(sheet):
        assert cell in text
    flat = " ".join(text.split())
    for note in sheet.notes:
        known = flat if render is not to_html else flat.replace("&#x27;", "'").replace("&#39;", "'")
        assert note in known or escape_markdown(note) in known


def test_text_is_aligned(sheet):
    lines = to_text(sheet, WIDE).splitlines()
    assert lines[0] == sheet.title
    head = next(line for line in lines if line.startswith("Fixed effects"))
    row = next(line for line in lines if line.startswith("  Intercept"))
    # Right edges of heads and cells agree, column by column.
    assert [m.end() for m in re.finditer(r"estimate|se\b|posterior_sd", head)] == [
        m.end() for m in re.finditer(r"(?<![\[\d.])\d+\.\d+(?![\d.,\]])", row)
    ]
    assert not any(line != line.rstrip() for line in lines)
    assert "\x1b" not in to_text(sheet)


def test_text_spans_each_label_over_its_columns(sheet):
    labels, head = to_text(sheet, WIDE).splitlines()[2], to_text(sheet, WIDE).splitlines()[4]
    assert labels.index("REML") < labels.index("MME")
    assert len(labels) == len(head)


def test_text_leaves_out_the_intervals_where_it_is_narrow_and_says_so(sheet):
    narrow = to_text(sheet, 80)
    assert max(map(len, narrow.splitlines())) <= 80
    assert "[46.57" not in narrow and "66.50" in narrow
    assert "Intervals are left out" in narrow and "Intervals are left out" not in to_text(sheet, WIDE)


def test_a_long_label_widens_its_column():
    rows = table()
    rows["estimator"] = rows["estimator"].replace(
        "MME", "an estimator with a very long name indeed, longer than any"
    )
    lines = to_text(compose(rows, "t")).splitlines()
    assert "longer than any" in lines[2] and len({len(lines[2]), len(lines[4])}) == 1


def test_markdown_is_one_table_per_section_with_the_same_number_of_cells(sheet):
    blocks = [b.splitlines() for b in to_markdown(sheet).split("\n\n") if b.startswith("|")]
    assert len(blocks) == len(sheet.sections)
    for lines in blocks:
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
        assert len(counts) == 1
        assert set(lines[1]) <= set("|-: ")
    assert blocks[0][0] == (
        "| Fixed effects | REML estimate | REML se | REML 95 % wald "
        "| MME estimate | MME posterior_sd | MME 95 % eti |"
    )
    assert blocks[3][0] == "| Random effects b | REML estimate | REML pev_sd |"  # MME has none


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", "a\\|b"),
        ("x*z", "x\\*z"),
        ("pev_sd", "pev_sd"),
        ("_x_", "\\_x\\_"),
        ("a<b", "a\\<b"),
        ("[1, 2]", "[1, 2]"),
        ("$x$", "\\$x\\$"),
        ("[a](b)", "[a\\](b)"),
        ("&lt; & b", "\\&lt; & b"),
        ("~a~ ~ b", "\\~a\\~ ~ b"),
    ],
)
def test_markdown_escapes(text, escaped):
    assert escape_markdown(text) == escaped


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("95 % & co_1 #$", r"95 \% \& co\_1 \#\$"),
        ("a|b ~ {x}^2", r"a\textbar{}b \textasciitilde{} \{x\}\textasciicircum{}2"),
        ("back\\slash", r"back\textbackslash{}slash"),
        ("-1.5", "$-$1.5"),
        ("[-1.5, -0.5]", "[$-$1.5, $-$0.5]"),
        ("1e-05", "1e-05"),
        ("left-over", "left-over"),
    ],
)
def test_latex_escapes(text, escaped):
    assert escape_latex(text) == escaped


def test_latex_rows_have_as_many_cells_as_columns(sheet):
    text = to_latex(sheet)
    n = len(re.search(r"\\begin\{tabular\}\{l(r+)\}", text).group(1))
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    for line in body.splitlines():
        if line.endswith(r"\\") and "multicolumn" not in line:
            assert len(re.findall(r"(?<!\\)&", line)) == n
    assert sum(int(k) for k in re.findall(r"multicolumn\{(\d)\}", text)) == n
    for name in ("table", "tabular"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == 1
    # A cell that starts with a bracket would be read as the argument of the line end before it.
    assert not re.search(r"(&|\\\\)\s*\[", body)


def test_csv_is_the_long_table_bit_by_bit():
    rows = table()
    again = pd.read_csv(
        io.StringIO(to_csv(rows)), keep_default_na=False, na_values={"estimate": "", "ci_lb": ""}
    )
    assert list(again.columns) == list(rows.columns)
    assert again["estimate"].dropna().tolist() == rows["estimate"].dropna().tolist()
    assert again["note"].tolist() == rows["note"].tolist()
