"""Reports in headless Chromium: nothing asked, nothing complained about, usable by all, on a page and on a phone."""

import pandas as pd
import pytest

import blupbayes as bb
from test_reports import own_csv

OWN = "`Höhe (cm)` ~ Alter + (1 | `Schule <1>`)"


@pytest.fixture(scope="module")
def files(tmp_path_factory, browser):
    """A report with everything, and one of somebody's own table with little in it."""
    folder = tmp_path_factory.mktemp("pages")
    slopes = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy")).compare()
    own = bb.compare(bb.MixedModel(OWN, pd.read_csv(own_csv(folder / "own.csv"))).fit())
    return {
        "slopes": slopes.report(folder / "slopes.html", sensitivity={"tight": "HalfNormal(10)"}),
        "own": own.report(folder / "own.html", sensitivity=False),
    }


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_no_fault(browser, files, width, scheme):
    for file in files.values():
        visit = browser.visit(file, width=width, axe=True, color_scheme=scheme)
        assert visit.faults == [], file.name


def look(page):
    """Widths and heights, as they are laid out."""
    return page.evaluate(
        """() => ({
        shown: [...document.images].map(i => [i.complete, i.naturalWidth, i.getBoundingClientRect().width]),
        formula: document.querySelector('math').getBoundingClientRect().height,
        lines: document.querySelector('math mtable').children.length,
        boxes: [...document.querySelectorAll('.scroll, .bb-scroll')].map(b => b.getBoundingClientRect().right),
        text: document.body.innerText })"""
    )


def test_pictures_and_formulas_are_drawn(browser, files):
    wide, narrow = (browser.visit(files["slopes"], look, width=w).result for w in (1280, 390))
    assert all(done and width > 600 and natural > 900 for done, natural, width in wide["shown"])
    # A phone gets the figures that were drawn for it: narrower, so that their letters are not shrunk.
    assert all(done and width <= 390 and natural < 600 for done, natural, width in narrow["shown"])
    assert wide["lines"] == 4 and wide["formula"] > 80
    assert max(narrow["boxes"]) <= 390 and "Subject, Intercept" in wide["text"]


def test_folded_code_opens_by_keyboard(browser, files):
    def unfold(page):
        page.locator("summary").last.focus()
        page.keyboard.press("Enter")
        return page.locator("details pre").last.is_visible()

    assert browser.visit(files["own"], unfold).result


def test_print_leaves_nothing_out(browser, files):
    def printed(page):
        page.emulate_media(media="print")
        heights = "[...document.querySelectorAll('pre')].map(p => p.getBoundingClientRect().height)"
        wide = "[...document.querySelectorAll('.scroll')].map(b => getComputedStyle(b).overflowX)"
        return page.evaluate(heights), page.evaluate(wide), page.locator("nav").is_visible()

    visit = browser.visit(files["slopes"], printed, width=680)  # A4 between margins
    assert visit.overflow <= 0  # nothing is cut off at the edge of the paper
    heights, overflow, contents = visit.result
    assert min(heights) > 50  # the folded code, too
    assert set(overflow) == {"visible"} and not contents
