"""Numbers -> one HTML page that needs nothing else."""

from __future__ import annotations

import json
import re
from html import escape
from importlib.resources import files
from typing import Any

from blupbayes.errors import ComparisonError

__all__ = ["MOST_BYTES", "page"]

MOST_BYTES = 2_000_000


def asset(name: str) -> str:
    """A file of this folder."""
    return (files("blupbayes.explorer") / "assets" / name).read_text(encoding="utf-8")


def embedded(data: Any) -> str:
    """JSON that no browser takes for the end of a script."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def page(data: dict[str, Any]) -> str:
    """The page; styles, script and numbers stand inside.

    Raises
    ------
    ComparisonError
        If it would be larger than MOST_BYTES.
    """
    parts = {
        "TITLE": escape(f"Explorer: {data['formula']}"),
        "STYLE": asset("style.css"),
        "SCRIPT": asset("script.js"),
        "DATA": embedded(data),
    }
    text = re.sub("@@([A-Z]+)@@", lambda found: parts[found[1]], asset("page.html"))
    size = len(text.encode())
    if size > MOST_BYTES:
        raise ComparisonError(
            f"explorer: the page would have {size / 1e6:.1f} MB, more than {MOST_BYTES / 1e6:.0f}. Show fewer levels "
            "with groups= or levels=; the answers still use all data."
        )
    return text
