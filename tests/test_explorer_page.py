"""The page around the numbers: whole, safe, small, and readable in light and dark."""

import json
import re

import html5lib
import pytest

from blupbayes.errors import ComparisonError
from blupbayes.explorer import page as tested
from blupbayes.explorer.page import asset, page

NASTY = "<!--<script </script><script>alert(1)</script> & @@STYLE@@ \u2028 é"


def test_the_page_is_html_with_every_name_as_text():
    text = page({"formula": NASTY, "levels": [NASTY]})
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    scripts = tree.findall(".//script")
    assert len(scripts) == 2 and json.loads(scripts[0].text)["levels"] == [NASTY]
    assert tree.find(".//title").text == f"Explorer: {NASTY}"


def test_nothing_is_fetched():
    text = page({"formula": "y ~ 1"})
    assert "default-src 'none'" in text
    tree = html5lib.parse(text, namespaceHTMLElements=False)
    links = [e.get(a) for e in tree.iter() for a in ("src", "href", "action", "data") if e.get(a)]
    assert links and all(link.startswith("data:") for link in links)
    assert not re.search(r"\b(fetch|XMLHttpRequest|import|WebSocket|eval)\b *\(|@import|url\(", text)


def test_a_page_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(tested, "MOST_BYTES", 1000)
    with pytest.raises(ComparisonError, match=r"more than 0\.? ?.*levels="):
        page({"formula": "y ~ 1"})


def test_every_id_that_is_named_is_there_once():
    text = page({"formula": "y ~ 1"})
    tree = html5lib.parse(text, namespaceHTMLElements=False)
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    named = [
        e.get(a) for e in tree.iter() for a in ("for", "aria-labelledby", "aria-describedby") if e.get(a)
    ]
    assert len(ids) == len(set(ids)) and set(named) <= set(ids)
    assert set(re.findall(r'\$\("([\w-]+)"\)', asset("script.js"))) <= set(ids)


def luminance(colour):
    """Relative luminance by WCAG 2."""
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_contrast_is_enough_in_light_and_dark(scheme):
    """Text 4.5, graphics 3, on every ground on which they stand."""
    palette = dict(
        re.findall(r"--(\w+):(#\w{6})\b", asset("style.css").split("}}")[0].split("@media")[scheme])
    )
    grounds = [palette[name] for name in ("bg", "card", "band")]
    assert min(contrast(palette[name], g) for name in ("ink", "soft") for g in grounds) >= 4.5
    drawn = ("raw", "blup", "bayes", "now", "bar", "edge")
    assert min(contrast(palette[name], palette["bg"]) for name in drawn) >= 3
    assert min(contrast(palette[name], palette["band"]) for name in drawn[:5]) >= 3


def test_nothing_moves_by_itself():
    assert not re.search(r"animation|transition|@keyframes", asset("style.css"))
    assert not re.search(r"requestAnimationFrame|setInterval|setTimeout", asset("script.js"))
