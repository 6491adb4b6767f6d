"""Equation tags: [E-MME] is a place on the page of the theory where it opens a line, and a link to it elsewhere."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

TAG = re.compile(r"\[(E-[A-Z0-9]+)\]")
HOME = "theory"


def opens_a_line(text: nodes.Text, at: int) -> bool:
    """Whether a tag stands first in its paragraph or line."""
    first = text.parent.children[0] is text
    return (at == 0 and first) or (at > 0 and text.astext()[at - 1] == "\n")


class Tags(SphinxPostTransform):
    """Tags as targets and links."""

    default_priority = 300

    def run(self, **_: Any) -> None:
        """Replace the text nodes that hold tags."""
        seen: set[str] = set()
        for text in list(self.document.findall(nodes.Text)):
            inside = text.parent
            if not TAG.search(text) or isinstance(
                inside, nodes.literal | nodes.literal_block | nodes.title | nodes.reference
            ):
                continue
            inside.replace(text, list(self.pieces(text, seen)))

    def pieces(self, text: nodes.Text, seen: set[str]) -> Any:
        """The text in parts, with nodes for the tags."""
        end, whole = 0, text.astext()
        for found in TAG.finditer(whole):
            yield nodes.Text(whole[end : found.start()])
            stated = self.env.docname == HOME and opens_a_line(text, found.start())
            yield self.target(found[1], seen) if stated else self.link(found[1])
            end = found.end()
        yield nodes.Text(whole[end:])

    def target(self, tag: str, seen: set[str]) -> nodes.Node:
        """The place of an equation; a link to itself, so that its address can be copied."""
        name = tag.lower()
        made = nodes.reference("", f"[{tag}]", refuri=f"#{name}", classes=["equation-tag"])
        if name not in seen:
            seen.add(name)
            made["ids"].append(name)
        return made

    def link(self, tag: str) -> nodes.Node:
        """A link to an equation."""
        builder = self.app.builder
        there = "" if self.env.docname == HOME else builder.get_relative_uri(self.env.docname, HOME)
        return nodes.reference(
            "", f"[{tag}]", refuri=f"{there}#{tag.lower()}", internal=True, classes=["equation-tag"]
        )


def setup(app: Any) -> dict[str, Any]:
    """Register the transform."""
    app.add_post_transform(Tags)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
