"""The lessons: which there are, and a copy of one to work in.

They stand in ``notebooks/`` of a checkout and in ``blupbayes/lessons/`` of an installed wheel, as pairs of a script
and an executed notebook. What the list says is read from the first cell of the script: its heading is the title,
the paragraphs that begin with **Question.** and **Data.** are the columns of these names.
"""

from __future__ import annotations

import os
import re
import shutil
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from blupbayes.errors import LessonError

__all__ = ["lesson", "list_lessons"]

HERE = Path(__file__).resolve().parent
FOLDERS = (HERE / "lessons", HERE.parents[1] / "notebooks")  # in a wheel, in a checkout
COLUMNS = ("number", "name", "title", "question", "data")


def lesson(name: str | int, folder: str | os.PathLike[str] = ".", force: bool = False) -> Path:
    """Copy a lesson, an executed notebook, to a folder of yours.

    Parameters
    ----------
    name : str or int
        Its number, its name, or a beginning of the name that no other lesson has; see `list_lessons`.
    folder : path
        Where to; it must exist. The working folder by default.
    force : bool
        Replace a file of the same name, and what you have changed in it.

    Returns
    -------
    Path
        Of the copy. Open it with Jupyter, or an editor that reads notebooks.

    Raises
    ------
    LessonError
        If there is no such lesson, its beginning is that of several, there is such a file already, or the folder
        cannot be written to. Nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> import blupbayes as bb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(bb.lesson("what shrinks", folder).name)
    02_what_shrinks.ipynb
    """
    source = find(name)
    target = Path(folder) / source.name
    check(target, force)
    copy(source, target)
    return target


def list_lessons() -> pd.DataFrame:
    """List the lessons, one row each.

    Returns
    -------
    DataFrame
        Columns number (int), name (for `lesson`), title, question (the one that it answers), data (names for
        `load_dataset`, or what is simulated).

    Examples
    --------
    >>> import blupbayes as bb
    >>> bb.list_lessons().set_index("number").loc[1, "title"]
    'One equation, two readings'
    """
    return pd.DataFrame([row(script) for script in scripts()], columns=pd.Index(COLUMNS))


def scripts() -> list[Path]:
    """The scripts of the lessons, in their order.

    Raises
    ------
    LessonError
        If the installed package has none.
    """
    found = [sorted(folder.glob("[0-9]*_*.py")) for folder in FOLDERS]
    if not any(found):
        raise LessonError(f"the lessons are missing from the installed package {HERE}: install it again.")
    return next(filter(None, found))


def row(script: Path) -> dict[str, object]:
    """What the list says of one lesson, from its first cell."""
    head = re.split(r"^# %%.*\n", script.read_text(encoding="utf-8"), maxsplit=2, flags=re.M)[1]
    text = re.sub(r"^# ?", "", head, flags=re.M)
    title = re.search(r"^#\s+(?:\d+\.\s+)?(.+)$", text, re.M)
    number, _, slug = script.stem.partition("_")
    told = {
        "title": title[1].strip() if title else slug,
        **{key: paragraph(text, key) for key in COLUMNS[3:]},
    }
    return {"number": int(number), "name": slug, **told}


def paragraph(text: str, key: str) -> str:
    """What follows **Key.** until the paragraph ends, in one line without marks."""
    found = re.search(rf"\*\*(?:The )?{key}[.:]?\*\*[.:]?\s*(.*?)(?:\n\s*\n|\Z)", text, re.I | re.S)
    return re.sub(r"[*`]", "", " ".join(found[1].split())) if found else ""


def plain(name: object) -> str:
    """A name as it is compared: small letters, words joined by underscores, no ending."""
    return re.sub(r"[\s_-]+", "_", str(name).strip().lower().removesuffix(".ipynb"))


def find(name: str | int) -> Path:
    """The notebook of one lesson.

    Raises
    ------
    LessonError
        If none or several answer to the name.
    """
    asked = plain(name)
    names = {script.stem: script for script in scripts()}
    chosen = [stem for stem in names if answers(stem, asked)]
    exact = [stem for stem in chosen if asked in (stem, stem.partition("_")[2])]
    if len(exact or chosen) != 1:
        raise LessonError(unknown(name, chosen, list(names)))
    return names[(exact or chosen)[0]].with_suffix(".ipynb")


def answers(stem: str, asked: str) -> bool:
    """Whether a lesson answers to a name: its number, or a beginning of what follows or of the whole."""
    number, _, slug = stem.partition("_")
    if asked.isdigit():
        return int(asked) == int(number)
    return bool(asked) and (slug.startswith(asked) or stem.startswith(asked))


def unknown(name: object, chosen: list[str], stems: list[str]) -> str:
    """Why a name is that of no one lesson."""
    slugs = [stem.partition("_")[2] for stem in stems]
    if chosen:
        several = " or ".join(stem.partition("_")[2] for stem in chosen)
        return f"lesson {str(name)!r} may be {several}: write more of it."
    asked = plain(name)
    close = get_close_matches(
        asked, [*slugs, *(word for slug in slugs for word in slug.split("_") if len(word) > 3)], n=1
    )
    hit = next((slug for slug in slugs if close and close[0] in slug), "")
    hint = f" Did you mean {hit!r}?" if hit else ""
    return f"there is no lesson {str(name)!r}.{hint} The lessons are: {', '.join(stems)}."


def check(target: Path, force: bool) -> None:
    """Refuse a place that a copy cannot be written to.

    Raises
    ------
    LessonError
    """
    if not target.parent.is_dir():
        what = "is a file, not a folder" if target.parent.exists() else "does not exist: make it first"
        raise LessonError(f"the folder {str(target.parent)!r} {what}.")
    if target.is_dir():
        raise LessonError(f"{str(target)!r} is a folder: name another place.")
    if target.exists() and not force:
        raise LessonError(
            f"{str(target)!r} exists, and may hold your work: nothing was written. Take another folder, or force "
            "(force=True, --force) to replace it."
        )


def copy(source: Path, target: Path) -> None:
    """Copy a file whole or not at all.

    Raises
    ------
    LessonError
        If it cannot be written.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(source, part)
        part.replace(target)
    except OSError as error:
        raise LessonError(f"cannot write {str(target)!r}: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
