"""Formulas as MathML, written when the site is built: pages need no script, no font and no network to show them."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)

TIGHT = r"<mo([^>]*)>(&#x0002F;|&#x0007C;|\|)</mo>"
OPENING = ("&#x00028;", "&#x0005B;", "&#x0007B;")
CAPITAL = r"<mi>(&#x003(?:9[1-9A-F]|A[0-9]);)</mi>"  # Greek capitals stand upright
TILDE, SIM = "<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>"  # a relation, not an accent
PUNCTUATION = re.compile(r"[,.;:)\]]+")
LONG = 45  # signs of TeX in a line of text that may be wider than a phone
NAMES = "log|exp|dim|max|min|lim|sin|cos"
SPELLINGS = ((r"\\(begin|end)\{(?:aligned|split)\}", r"\\\1{align*}"),)  # theirs, ours


def mathml(tex: str, block: bool) -> str:
    """One formula as MathML, with the spaces of TeX where MathML has others.

    Raises
    ------
    ValueError
        If a command is not known.
    """
    for theirs, ours in SPELLINGS:
        tex = re.sub(theirs, ours, tex)
    markup = convert(tex, display="block" if block else "inline")
    markup = re.sub(r">\\([{}_])<", r">\1<", markup.replace(r"\_", "_"))
    words = re.sub(r"<[^>]*>", " ", markup)
    if unknown := re.search(r"\\.|&(?!#)", words):
        raise ValueError(f"{unknown[0]} is not known")
    markup = re.sub(CAPITAL, r'<mi mathvariant="normal">\1</mi>', markup)
    return spaced(sized(re.sub(TIGHT, r'<mo\1 lspace="0" rspace="0">\2</mo>', markup)))


def sized(markup: str) -> str:
    """Signs that TeX was told a size of: they have it wherever they stand, and no space around them."""

    def said(found: re.Match[str]) -> str:
        form = "prefix" if found[2] in "([{" or found[2] in OPENING else "postfix"
        return f'<mo {found[1]} stretchy="true" form="{form}" lspace="0" rspace="0">{found[2]}</mo>'

    return re.sub(r"<mo (minsize=[^>]*?)(?: lspace=[^>]*)?>([^<]*)</mo>", said, markup).replace(TILDE, SIM)


def spaced(markup: str) -> str:
    """Thin spaces around the names of functions: before one that follows an operand, after one before an operand."""
    thin = '<mspace width="0.1667em"/>'
    before = rf"(</mi>|</mn>|</msup>|</msub>|</mfrac>|</mstyle>|&#x00029;</mo>)(?=(?:<msu[bp]>)?<mi>(?:{NAMES})</mi>)"
    after = rf"(?<!<msub>)(?<!<msup>)(?<!<munder>)(<mi>(?:{NAMES})</mi>)(?=<(?!mo|/))"
    base = rf"(<msub><mi>(?:{NAMES})</mi><m[in]>[^<]*</m[in]></msub>)(?=<m(?!o))"
    for place in (before, after, base):
        markup = re.sub(place, rf"\1{thin}", markup)
    return markup


class Joined(SphinxPostTransform):
    """A comma after a formula stays on its line: it becomes part of the formula's own piece of text."""

    default_priority = 310

    def run(self, **_: Any) -> None:
        """Move the signs from the text into the node before it."""
        for node in list(self.document.findall(nodes.math)):
            behind = node.next_node(descend=False, siblings=True)
            found = PUNCTUATION.match(behind) if isinstance(behind, nodes.Text) else None
            if found:
                node["behind"] = found[0]
                behind.parent.replace(behind, nodes.Text(behind[found.end() :]))


def write(self: Any, node: nodes.Element, block: bool) -> None:
    """Put a formula where it stands; what cannot be read is a warning and stays TeX."""
    tex = node.astext().strip()
    try:
        markup = mathml(tex, block)
    except Exception as refusal:  # its parser has a class of errors for each mistake
        logger.warning("formula %r: %r", tex, refusal, location=node)
        markup = f"<code>{self.encode(tex)}</code>"
    wide = block or len(tex) > LONG
    attributes = ' tabindex="0"' if wide else ""  # what scrolls can be reached by keyboard
    name = "div" if block else "span"
    kind = "math block" if block else "math wide" if wide else "math"
    ids = "".join(f'<span id="{one}"></span>' for one in node.get("ids", []))
    self.body.append(
        f'{ids}<{name} class="{kind}"{attributes}>{markup}{self.encode(node.get("behind", ""))}</{name}>'
    )
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Register the renderer; conf.py chooses it with html_math_renderer."""
    app.add_post_transform(Joined)
    app.add_html_math_renderer(
        "mathml",
        (lambda self, node: write(self, node, False), None),
        (lambda self, node: write(self, node, True), None),
    )
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
