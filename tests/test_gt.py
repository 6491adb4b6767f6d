"""great_tables: the same cells, or a clear word where the package is not installed."""

import sys

import pytest

import blupbayes as bb
from blupbayes.errors import ComparisonError
from blupbayes.show.gt import columns_of, rows_of


@pytest.fixture(scope="module")
def found():
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    return bb.compare(model.fit(), {"<b>exact</b> & co": model.integrate()})


def test_lines_are_those_of_the_sheet(found):
    sheet = found.sheet()
    columns, rows = columns_of(sheet), rows_of(sheet)
    assert [len(own) for own in columns] == [sum(keep) for keep in sheet.used()]
    assert len(rows) == sum(1 + len(s.rows) for s in sheet.sections)
    assert {len(row) for row in rows} == {2 + sum(map(len, columns))}
    assert rows[0][:4] == ["Fixed effects", "", "estimate", "se"] and rows[1][1:4] == [
        "Intercept",
        "66.50",
        "10.17",
    ]


def test_without_the_package_the_error_names_the_extra(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "great_tables", None)
    with pytest.raises(ComparisonError, match=r"Install blupbayes\[tables\], or use to_html"):
        found.to_gt()


def test_every_cell_and_note_is_there(found):
    great_tables = pytest.importorskip("great_tables")
    table = found.to_gt()
    assert isinstance(table, great_tables.GT)
    page = table.as_raw_html()
    for s in found.sheet().sections:
        for row in s.rows:
            assert all(c in page for triple in row.cells for c in triple)
    assert "&lt;b&gt;exact&lt;/b&gt; &amp; co" in page and "<b>exact" not in page and "&amp;lt;" not in page
    assert page.count("posterior_sd: sd of the posterior") == 1
