"""A table written to a file; what cannot be written is told, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from blupbayes.errors import ComparisonError

__all__ = ["save", "write"]


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
