"""Open pages of the built site in headless Chromium: python docs/check_site.py SITE [--screenshots FOLDER]

At desktop and phone width, in light and dark: no console error, no request that leaves the machine, nothing wider than
the window, no serious accessibility fault by axe-core. Exits with 1 and a line for each fault; without a browser it
says so and checks only that no page names a script, style, font or picture elsewhere, and where tags lead.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from browser import Browser, find_chromium

PAGES = ("index", "theory", "gallery", "api/fit")
TAG = re.compile(r"href=\"(?:[./]*theory\.html)?#(e-[a-z0-9]+)\"")
LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=\"((?:https?:)?//[^\"]+)\"")


def pages(site: Path) -> list[str]:
    """What is looked at: the list above and the first lesson, if there is one."""
    lessons = sorted(p.stem for p in (site / "lessons").glob("[0-9]*.html"))
    return [*PAGES, *(f"lessons/{name}" for name in lessons[:1])]


def loaded_from_elsewhere(site: Path) -> list[str]:
    """Every address on another machine that a page of the site would load by itself."""
    found = []
    for page in sorted(site.rglob("*.html")):
        addresses = LOADED.findall(page.read_text(encoding="utf-8"))
        found += [f"{page.relative_to(site)}: loads {address}" for address in addresses]
    return found


def lost_tags(site: Path) -> list[str]:
    """Links to equations that lead nowhere."""
    theory = (site / "theory.html").read_text(encoding="utf-8")
    stated = set(re.findall(r"id=\"(e-[a-z0-9]+)\"", theory))
    cited = {
        (tag, page) for page in site.rglob("*.html") for tag in TAG.findall(page.read_text(encoding="utf-8"))
    }
    lost = [
        f"{page.relative_to(site)}: no equation {tag}" for tag, page in sorted(cited) if tag not in stated
    ]
    return lost if stated else [*lost, "theory: no equation has a tag"]


def look(browser: Browser, site: Path) -> list[str]:
    """Faults of the pages."""
    found = []
    for name in pages(site):
        for width, scheme in ((1280, "light"), (390, "dark")):
            axe = width == 1280 or name == "index"  # slow on long pages, and colours are the same on all
            visit = browser.visit(site / f"{name}.html", width=width, axe=axe, color_scheme=scheme)
            found += [f"{name} ({width} px, {scheme}): {fault}" for fault in visit.faults]
    return found


def main(arguments: list[str]) -> int:
    """Check, and say what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER")
    args = parser.parse_args(arguments)
    found = [*loaded_from_elsewhere(args.site), *lost_tags(args.site)]
    program = find_chromium()
    if program is None:
        print("no Chromium: the pages were not opened")
    else:
        browser = Browser(program)
        found += look(browser, args.site)
        if args.screenshots:
            args.screenshots.mkdir(parents=True, exist_ok=True)
            for name in pages(args.site):
                browser.screenshots(args.site / f"{name}.html", args.screenshots)
        browser.close()
    print("\n".join(found) or f"{len(pages(args.site))} pages: no fault")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
