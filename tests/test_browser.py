"""The browser of the tests sees what it is there to see."""

import asyncio

import pytest

import browser as harness

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>{head}</head>
<body><main><h1>A page</h1>{body}</main></body></html>"""


@pytest.fixture
def page(tmp_path):
    def write(body="<p>Text.</p>", head=""):
        path = tmp_path / "page.html"
        path.write_text(PAGE.format(body=body, head=head), encoding="utf-8")
        return path

    return write


def test_a_plain_page_has_no_fault_and_leaves_no_event_loop_behind(browser, page):
    visit = browser.visit(page(), lambda opened: opened.inner_text("h1"), axe=True)
    assert visit.faults == [] and visit.result == "A page"
    asyncio.run(asyncio.sleep(0))


@pytest.mark.parametrize(
    "body",
    [
        '<img alt="" src="https://example.org/a.png">',
        "<script>fetch('http://127.0.0.1:9/a').catch(() => 0)</script>",
        "<script>new WebSocket('ws://127.0.0.1:9/a')</script>",
    ],
)
def test_requests_are_seen(browser, page, body):
    visit = browser.visit(page(body), lambda opened: opened.wait_for_timeout(100))
    assert len(visit.requests) == 1 and visit.requests[0] in body


def test_complaints_are_seen(browser, page):
    said = browser.visit(page("<script>console.error('one'); throw new Error('two')</script>")).errors
    assert len(said) == 2 and "one" in said[0] and "two" in said[1]


def test_what_axe_finds_is_named_with_its_element(browser, page):
    (found,) = browser.visit(page('<input type="range" id="lost">'), axe=True).violations
    assert found.startswith("label (critical)") and "lost" in found


def test_a_page_too_wide_for_a_phone_is_seen(browser, page):
    wide = page('<div style="width:600px">x</div>', '<meta name="viewport" content="width=device-width">')
    assert browser.visit(wide).overflow <= 0
    assert "wider than the window" in browser.visit(wide, width=390).faults[-1]


def test_screenshots_at_both_widths(browser, page, tmp_path):
    files = browser.screenshots(page(), tmp_path)
    assert [f.name for f in files] == ["page-1280.png", "page-390.png"]
    widths = [int.from_bytes(f.read_bytes()[16:20], "big") for f in files]
    assert widths == [1280, 390]


def test_steps_raise_where_they_were_asked(browser, page):
    with pytest.raises(ZeroDivisionError):
        browser.visit(page(), lambda opened: 1 / 0)


def test_the_path_comes_before_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(harness.VARIABLE, raising=False)
    assert harness.find_chromium() is None
    monkeypatch.setenv(harness.VARIABLE, "/opt/browser")
    assert harness.find_chromium() == "/opt/browser"
    program = tmp_path / "chromium-browser"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert harness.find_chromium() == str(program)
