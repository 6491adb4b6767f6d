"""Where a report is written: refused before the work if it cannot be, and whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from blupbayes.errors import ComparisonError
from blupbayes.show.save import new_file, write_new

__all__ = ["SUFFIXES", "check_path", "folder_of", "write_whole"]

SUFFIXES = (".html", ".ipynb", ".md")


def check_path(path: str | Path, force: bool = False) -> Path:
    """The path, if a report can be written there.

    Raises
    ------
    ComparisonError
        As ``new_file``; and if the folder for a Markdown report's pictures is there already.
    """
    target = new_file("report", path, SUFFIXES, force)
    folder = folder_of(target)
    if target.suffix.lower() == ".md" and folder.exists() and not (force and folder.is_dir()):
        raise ComparisonError(
            f"report({str(path)!r}): its pictures go to {str(folder)!r}, which exists. Name another file"
            + (", or give force=True (in the shell: --force) to replace them." if folder.is_dir() else ".")
        )
    return target


def folder_of(target: Path) -> Path:
    """The folder of a Markdown report's pictures: report_files beside report.md."""
    return target.with_name(f"{target.stem}_files")


def write_whole(target: Path, text: str, force: bool, pictures: Mapping[str, bytes] | None = None) -> None:
    """Write the pictures, then the text that shows them; nothing stays of what could not be finished.

    Parameters
    ----------
    target : Path
        From check_path, and checked again: something may stand there by now.
    text : str
    force : bool
    pictures : mapping, optional
        Name -> PNG, for the folder beside a Markdown report.

    Raises
    ------
    ComparisonError
        If something else is there by now, or it cannot be written.
    """
    check_path(target, force)
    folder = folder_of(target)
    fresh = bool(pictures) and not folder.exists()
    written: list[Path] = []
    try:
        if fresh:
            folder.mkdir()
        for name, content in (pictures or {}).items():
            if not (folder / name).exists():
                written.append(folder / name)
            put(folder / name, content)
        write_new(target, text)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        if fresh and folder.is_dir():
            folder.rmdir()
        raise


def put(final: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    part = final.with_name(f".{final.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(final)
    except OSError as error:
        raise ComparisonError(f"cannot write {final}: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
