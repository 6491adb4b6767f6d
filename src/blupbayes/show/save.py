"""A table or a page written to a file; what cannot be written is told, and nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from blupbayes.errors import ComparisonError

__all__ = ["new_file", "save", "write", "write_new"]


def save(path: str | Path, renderers: Mapping[str, Callable[[], str]]) -> Path:
    """Write what the renderer of the path's suffix makes.

    Raises
    ------
    ComparisonError
        If the suffix has no renderer, or the path cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in renderers:
        named = f"{suffix!r}" if suffix else "no suffix"
        raise ComparisonError(f"save({str(path)!r}): {named}; it is one of {', '.join(renderers)}.")
    return write(path, renderers[suffix]())


def write(path: str | Path, text: str) -> Path:
    """Write UTF-8 text.

    Raises
    ------
    ComparisonError
        Naming the path, if it cannot be written.
    """
    try:
        Path(path).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ComparisonError(
            f"cannot write {path}: {error.strerror or error}. Nothing is lost: save the table to another path."
        ) from error
    return Path(path)


def new_file(asked: str, path: str | Path, suffixes: tuple[str, ...], force: bool) -> Path:
    """The path of a file to be made, refused before any work if it could not be.

    Parameters
    ----------
    asked : str
        The verb, for the message.
    path : str or Path
    suffixes : tuple of str
        Allowed ends of the name.
    force : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    ComparisonError
        If it has another suffix, is a folder, stands in none or in one that is not writable, or exists.
    """
    file, head = Path(path), f"{asked}({str(path)!r}):"
    if file.is_dir():
        raise ComparisonError(f"{head} it is a folder. Name a file in it.")
    if file.suffix.lower() not in suffixes:
        raise ComparisonError(f"{head} the name must end in {' or '.join(suffixes)}.")
    if not file.parent.is_dir():
        raise ComparisonError(f"{head} there is no folder {str(file.parent)!r}. Make it first.")
    if not os.access(file.parent, os.W_OK):
        raise ComparisonError(
            f"{head} the folder {str(file.parent)!r} cannot be written to. Name another one."
        )
    if file.exists() and not force:
        raise ComparisonError(
            f"{head} the file exists. Name another one, or give force=True (in the shell: --force) to replace it."
        )
    return file


def write_new(path: Path, text: str) -> Path:
    """Write UTF-8 text whole or not at all: an interruption leaves what was there before.

    Raises
    ------
    ComparisonError
        Naming the path, if it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(part, text)
        part.replace(path)
    except OSError as error:
        raise ComparisonError(f"cannot write {path}: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
    return path
