"""The HTML table: well formed, accessible, self-contained."""

from html.parser import HTMLParser

import pytest

from blupbayes.show.html import DARK, LIGHT, to_html
from blupbayes.show.sheet import compose
from test_sheet import table


class Reader(HTMLParser):
    """Collects the cells row by row and checks that every tag is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.rows, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "meta":
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append([tag, dict(attrs), ""])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th", "span") and self.rows and self.rows[-1]:
            self.rows[-1][-1][2] += data


@pytest.fixture
def sheet():
    return compose(table(), "y < 1 & (1 | Rail)", ["a note with <tags> & 'quotes'"])


def read(text):
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    return reader


def test_rows_fill_the_table(sheet):
    reader = read(to_html(sheet))
    widths = {sum(int(cell[1].get("colspan", 1)) for cell in row) for row in reader.rows}
    assert len(widths) == 1
    spans = [int(attrs["span"]) for tag, attrs in reader.tags if tag == "colgroup"]
    assert sum(spans) == widths.pop()


def test_cells_are_the_sheets_cells(sheet):
    rows = {row[0][2]: [cell[2] for cell in row[1:]] for row in read(to_html(sheet)).rows}
    assert rows["Intercept"] == ["66.50", "10.17", "[46.57, 86.43]", "60.27", "9.68", "[40.00, 80.00]"]


def test_every_head_has_a_scope_and_every_row_a_head(sheet):
    reader = read(to_html(sheet))
    for row in reader.rows[1:]:
        assert row[0][0] == "th" and row[0][1]["scope"] in ("row", "rowgroup")
        for tag, attrs, text in row[1:]:
            if tag == "th" and text:
                assert attrs["scope"] == "col"
            if not text and tag == "th":
                assert "scope" not in attrs  # an empty cell heads nothing
    assert {cell[1]["scope"] for cell in reader.rows[0] if cell[0] == "th"} == {"colgroup"}


def test_caption_and_notes_are_escaped(sheet):
    text = to_html(sheet)
    assert "<caption><span>y &lt; 1 &amp; (1 | Rail)</span></caption>" in text
    assert "<li>a note with &lt;tags&gt; &amp; &#x27;quotes&#x27;</li>" in text


def test_names_of_rows_and_estimators_are_escaped():
    rows = table().replace({"level": {"1": "<b>1</b>"}, "estimator": {"MME": "a < b"}})
    rows.loc[(rows["component"] == "weight") & (rows["level"] == "2"), "estimate"] = 0.5
    text = to_html(compose(rows, "t"))
    assert "Rail &lt;b&gt;1&lt;/b&gt;" in text and "a &lt; b" in text and "<b>" not in text


def test_nothing_comes_from_a_network_and_all_is_ascii():
    text = to_html(compose(table(), "Größe ~ 1", []), standalone=True)
    assert "http" not in text and "url(" not in text and "<script" not in text
    assert text.isascii() and "Gr&#246;&#223;e" in text


def test_standalone_is_a_page_and_a_piece_is_not(sheet):
    page, piece = to_html(sheet, standalone=True), to_html(sheet)
    assert page.startswith("<!DOCTYPE html>") and '<html lang="en">' in page and "<title>" in page
    assert piece.startswith('<div class="blupbayes">') and piece in page


def luminance(colour):
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_contrast_on_every_background(palette):
    # WCAG AA asks for 4.5 between small text and what is behind it.
    colours = dict(part.removeprefix("--").split(":") for part in palette.split(";"))
    for ink in ("ink", "soft"):
        for behind in ("bg", "stripe", "head"):
            pair = sorted((luminance(colours[ink]), luminance(colours[behind])))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (ink, behind)
