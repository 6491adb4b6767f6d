"""Rebuild the executed lessons, notebooks/NN_slug.ipynb, from their scripts, notebooks/NN_slug.py.

    uv run python notebooks/build.py                    all of them
    uv run python notebooks/build.py 01 zero_is         those whose names begin so, with or without the number
    uv run python notebooks/build.py --check            only say which are stale; exit 1 if one is

A lesson runs in an empty temporary folder, as it does at a user's. The notebook keeps what a reader sees and nothing
that changes from run to run: no times, no random names of cells, no versions, no paths of this machine. Output that
does not belong into a lesson (a traceback, a warning, a progress bar, a picture without alt text) is refused.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError as CellExecutionError
from PIL import Image

FOLDER = Path(__file__).resolve().parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}
CHATTER = re.compile(
    r"^(Initializing NUTS|NUTS|Sampling \d|Multiprocess sampling|Sequential sampling).*\n?", re.M
)
UNWANTED = {
    "a traceback": re.compile(r"Traceback \(most recent call last\)"),
    "a warning": re.compile(r"\w*Warning: "),
    "an address in memory": re.compile(r"\bat 0x[0-9a-f]{6,}"),
    "a progress bar": re.compile(r"<progress|widget-view\+json|━━━"),
    "a path of this machine": re.compile(r"(?<![\w.:/])/(?:home|root|tmp|Users|usr|work|opt|var|private)/\w"),
}


def scripts(folder: Path = FOLDER, names: list[str] | None = None) -> list[Path]:
    """The lessons as scripts, in their order; only those whose names begin like one of ``names``."""
    found = sorted(folder.glob("[0-9]*.py"))
    wanted = [Path(name).stem for name in names or []]
    chosen = [
        s
        for s in found
        if not wanted or s.stem.startswith(tuple(wanted)) or slug(s).startswith(tuple(wanted))
    ]
    if not chosen:
        raise SystemExit(
            f"no lesson begins with {', '.join(wanted)}: there are {', '.join(s.stem for s in found)}"
        )
    return chosen


def slug(script: Path) -> str:
    """The name without the number."""
    return script.stem.partition("_")[2]


def read(script: Path) -> Any:
    """The notebook of a script, not executed: cells are named by their place."""
    notebook = nbformat.v4.new_notebook(metadata=METADATA)
    for place, cell in enumerate(jupytext.read(script).cells, 1):
        make = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
        notebook.cells.append(make(cell.source, id=f"cell-{place:02d}"))
    return notebook


def execute(notebook: Any, timeout: int = 60) -> Any:
    """Run all cells in a fresh kernel, from an empty folder; ``timeout`` is in seconds for a cell."""
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {"kernel_name": "python3", "record_timing": False, "timeout": timeout}
        return NotebookClient(notebook, resources={"metadata": {"path": folder}}, **options).execute()


def smaller(found: re.Match[str]) -> str:
    """A picture with 64 colours instead of 16 million: a third of the size, and no difference to the eye."""
    picture = Image.open(io.BytesIO(b64decode(found[1]))).convert("RGB")
    stream = io.BytesIO()
    picture.quantize(64, dither=Image.Dither.NONE).save(stream, format="png", optimize=True)
    return f"base64,{b64encode(stream.getvalue()).decode('ascii')}"


def lighten(output: Any) -> None:
    """Keep one copy of a picture, the one with alt text."""
    data = output.get("data", {})
    if "base64," in data.get("text/html", ""):
        data.pop("image/png", None)
        data["text/html"] = re.sub(r"base64,([\w+/=]+)", smaller, data["text/html"])


def streams(outputs: list[Any]) -> list[Any]:
    """What was printed in one piece per stream, messages first: their order in time is a matter of luck."""
    found = []
    for name in ("stderr", "stdout"):
        text = "".join(o.text for o in outputs if o.output_type == "stream" and o.name == name)
        text = CHATTER.sub("", text) if name == "stderr" else text
        found += [nbformat.v4.new_output("stream", name=name, text=text)] if text.strip() else []
    return found


def tidy(notebook: Any) -> Any:
    """Leave out what the sampler says of itself, and second copies of pictures."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.metadata.clear()
        for output in cell.outputs:
            lighten(output)
        cell.outputs = [*streams(cell.outputs), *(o for o in cell.outputs if o.output_type != "stream")]
    notebook.metadata = METADATA
    return notebook


def pieces(output: Any) -> dict[str, str]:
    """The texts of an output by their kind; pictures are left out."""
    if output.output_type == "error":
        return {"error": "Traceback (most recent call last)\n" + "\n".join(output.traceback)}
    if output.output_type == "stream":
        return {"stream": output.text}
    return {
        kind: re.sub(r"base64,[\w+/=\s]+", "base64,", str(text))
        for kind, text in output.data.items()
        if not kind.startswith("image/png")
    }


def faults(notebook: Any) -> Iterator[str]:
    """What a reader should not see: one sentence each."""
    for place, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            for kind, text in pieces(output).items():
                yield from (
                    f"cell {place}: {what} in {kind}"
                    for what, p in UNWANTED.items()
                    if p.search(f"{kind}\n{text}")
                )
            if {"image/png", "image/svg+xml"} & set(output.get("data", {})) and not described(output):
                yield f"cell {place}: a picture without alt text (make it with bb.figure)"


def described(output: Any) -> bool:
    """Whether a picture has words for those who do not see it."""
    return bool(re.search(r'<img [^>]*alt="[^"]{20,}"', output.data.get("text/html", "")))


def build(script: Path) -> Path:
    """Execute one lesson and write its notebook."""
    notebook = tidy(execute(read(script)))
    if found := list(faults(notebook)):
        raise SystemExit(f"{script.name}: not written\n  " + "\n  ".join(found))
    target = script.with_suffix(".ipynb")
    nbformat.write(notebook, target)
    return target


def stale(script: Path) -> str:
    """Why the notebook is not that of the script; empty if it is."""
    target = script.with_suffix(".ipynb")
    if not target.exists():
        return "there is no notebook"
    kept = nbformat.read(target, as_version=4)
    if [(c.cell_type, c.source) for c in kept.cells] != [(c.cell_type, c.source) for c in read(script).cells]:
        return "the script has other cells"
    counts = [cell.execution_count for cell in kept.cells if cell.cell_type == "code"]
    return "" if counts == list(range(1, len(counts) + 1)) else "it was not executed from top to bottom"


def main(arguments: list[str]) -> int:
    """Build or check the lessons that the arguments name."""
    chosen = scripts(names=[name for name in arguments if not name.startswith("--")])
    if "--check" not in arguments:
        for script in chosen:
            target = build(script)
            print(f"{target.name}: {target.stat().st_size / 1000:.0f} kB")
        return 0
    found = {script.name: stale(script) for script in chosen}
    for name, why in found.items():
        print(f"{name}: {why or 'fresh'}")
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
