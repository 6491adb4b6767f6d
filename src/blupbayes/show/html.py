"""A sheet as HTML: one self-contained piece for notebooks and files, light and dark, wide and narrow."""

from __future__ import annotations

from html import escape

from blupbayes.show.sheet import Section, Sheet

__all__ = ["to_html"]

LIGHT = "--bg:#ffffff;--ink:#1b1f24;--soft:#57606a;--rule:#d0d7de;--stripe:#f6f8fa;--head:#eaeef2"
DARK = "--bg:#14171c;--ink:#e6e9ee;--soft:#a7b0bb;--rule:#3a424c;--stripe:#1c2027;--head:#262c35"

STYLE = """
.blupbayes{LIGHT;color:var(--ink);background:var(--bg);font:14px/1.45 system-ui,-apple-system,"Segoe UI",
sans-serif;text-align:left;max-width:100%}
@media (prefers-color-scheme:dark){.blupbayes{DARK}}
[data-jp-theme-light="true"] .blupbayes,.vscode-light .blupbayes,html[data-theme="light"] .blupbayes{LIGHT}
[data-jp-theme-light="false"] .blupbayes,.vscode-dark .blupbayes,html[data-theme="dark"] .blupbayes{DARK}
.blupbayes .bb-scroll{overflow-x:auto}
.blupbayes table{border-collapse:separate;border-spacing:0;margin:0;color:inherit;background:var(--bg);
font-size:inherit;border:0;border-top:2px solid var(--ink);border-bottom:2px solid var(--ink);
font-variant-numeric:tabular-nums}
.blupbayes caption{caption-side:top;text-align:left;font-weight:600;padding:6px 10px;color:var(--ink);
white-space:normal}
.blupbayes caption span{position:sticky;left:10px;display:inline-block;max-width:calc(100vw - 52px)}
.blupbayes th,.blupbayes td{padding:3px 10px;text-align:right;white-space:nowrap;border:0;
background:var(--bg);color:inherit;font-weight:400;vertical-align:baseline}
.blupbayes tbody th[scope=row],.blupbayes tbody th[scope=rowgroup],.blupbayes .bb-corner{text-align:left;
position:sticky;left:0;z-index:1}
.blupbayes thead th{font-weight:600;text-align:center}
.blupbayes thead th span{display:block;border-bottom:1px solid var(--soft);padding-bottom:2px}
.blupbayes tr.bb-heads th{background:var(--head);color:var(--soft);border-top:1px solid var(--rule);
font-size:12.5px}
.blupbayes tr.bb-heads th[scope=rowgroup]{color:var(--ink);font-weight:600;font-size:inherit}
.blupbayes tbody tr:nth-child(odd) td,.blupbayes tbody tr:nth-child(odd) th[scope=row]{
background:var(--stripe)}
.blupbayes td.bb-first,.blupbayes th.bb-first{padding-left:22px}
.blupbayes tbody tr:hover td,.blupbayes tbody tr:hover th[scope=row]{background:var(--head)}
.blupbayes .bb-notes{margin:0;padding:6px 10px;list-style:none;font-size:12.5px;color:var(--soft);
max-width:76em}
.blupbayes .bb-notes li{margin:0 0 2px;padding:0}
@media print{.blupbayes{LIGHT}.blupbayes .bb-scroll{overflow:visible}}
""".replace("LIGHT", LIGHT).replace("DARK", DARK)

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>body{{margin:16px}}@media (prefers-color-scheme:dark){{body{{background:#14171c}}}}</style>
</head>
<body>
{piece}
</body>
</html>
"""


def to_html(sheet: Sheet, *, standalone: bool = False) -> str:
    """HTML with a caption, scoped heads and the notes that define every spread.

    Parameters
    ----------
    sheet : Sheet
        What to show.
    standalone : bool
        A whole page for a file; otherwise one piece with its own style, for notebooks and reports.

    Returns
    -------
    str
        Plain ASCII, needs nothing from a network.
    """
    used = sheet.used()
    body = "\n".join(section_rows(s, used) for s in sheet.sections)
    notes = "\n".join(f"<li>{escape(note)}</li>" for note in sheet.notes)
    piece = (
        f'<div class="blupbayes">\n<style>{STYLE}</style>\n'
        f'<div class="bb-scroll" role="region" aria-label="{escape(sheet.title)}" tabindex="0">\n<table>\n'
        f"<caption><span>{escape(sheet.title)}</span></caption>\n{top_row(sheet)}\n{body}\n</table>\n</div>\n"
        f'<ul class="bb-notes">\n{notes}\n</ul>\n</div>'
    )
    page = PAGE.format(title=escape(sheet.title), piece=piece) if standalone else piece
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


def top_row(sheet: Sheet) -> str:
    """The head with one label per estimator."""
    spans = [sum(keep) for keep in sheet.used()]
    groups = "".join(f'<colgroup span="{n}"></colgroup>' for n in (1, *spans))
    heads = "".join(
        f'<th scope="colgroup" colspan="{n}" class="bb-first"><span>{escape(name)}</span></th>'
        for name, n in zip(sheet.labels, spans, strict=True)
    )
    return f'{groups}\n<thead><tr><td class="bb-corner"></td>{heads}</tr></thead>'


def section_rows(s: Section, used: tuple[tuple[bool, bool, bool], ...]) -> str:
    """One section: a row of heads, then the quantities."""
    heads = row_cells(s.heads, used, "th", ' scope="col"')
    lines = [f'<tbody>\n<tr class="bb-heads"><th scope="rowgroup">{escape(s.title)}</th>{heads}</tr>']
    lines += [
        f'<tr><th scope="row">{escape(row.name)}</th>{row_cells(row.cells, used, "td")}</tr>'
        for row in s.rows
    ]
    if s.hidden:
        width = 1 + sum(sum(keep) for keep in used)
        lines.append(f'<tr><th scope="row" colspan="{width}">{escape(s.more)}</th></tr>')
    return "\n".join([*lines, "</tbody>"])


def row_cells(
    cells: tuple[tuple[str, str, str], ...],
    used: tuple[tuple[bool, bool, bool], ...],
    tag: str,
    scope: str = "",
) -> str:
    """The cells of one row; the first of each estimator is set apart, an empty head is a plain cell."""
    out = []
    for triple, keep in zip(cells, used, strict=True):
        for j, (text, shown) in enumerate(zip(triple, keep, strict=True)):
            if shown:
                first = ' class="bb-first"' if j == 0 else ""
                out.append(f"<{tag}{scope if text else ''}{first}>{escape(text)}</{tag}>")
    return "".join(out)
