"""Where a report is written: refused before the work if it cannot be, and whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from blupbayes.errors import DataError

__all__ = ["SUFFIXES", "check_path", "folder_of", "write_whole"]

SUFFIXES = (".html", ".ipynb", ".md")


def check_path(path: str | Path, force: bool = False) -> Path:
    """The path, if a report can be written there.

    Raises
    ------
    DataError
        If the suffix is unknown, it is a folder, there is no folder to write in, or something stands there already.
    """
    target = Path(path)
    shown = f"report {str(path)!r}"
    if target.is_dir():
        raise DataError(
            f"{shown}: it is a folder. Name a file in it, such as {str(target / 'report.html')!r}."
        )
    if target.suffix.lower() not in SUFFIXES:
        raise DataError(f"{shown}: the name must end in {', '.join(SUFFIXES)}.")
    if not target.parent.is_dir():
        raise DataError(f"{shown}: there is no folder {str(target.parent)!r}. Make it first.")
    if not os.access(target.parent, os.W_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise DataError(
            f"{shown}: it cannot be written there. Choose another folder or change its permissions."
        )
    check_free(target, force)
    return target


def check_free(target: Path, force: bool) -> None:
    """Refuse to replace what is there, unless it is asked for."""
    mine = [target, folder_of(target)] if target.suffix.lower() == ".md" else [target]
    there = [p for p in mine if p.exists() or p.is_symlink()]
    if there and not force:
        raise DataError(
            f"report {str(target)!r}: {str(there[0])!r} exists. Replace it with force=True (in the shell: --force), or "
            "choose another name."
        )
    if target.suffix.lower() == ".md" and folder_of(target).exists() and not folder_of(target).is_dir():
        raise DataError(
            f"report {str(target)!r}: {str(folder_of(target))!r} must be a folder, for its pictures."
        )


def folder_of(target: Path) -> Path:
    """The folder of a Markdown report's pictures: report_files beside report.md."""
    return target.with_name(f"{target.stem}_files")


def write_whole(target: Path, text: str, force: bool, pictures: Mapping[str, bytes] | None = None) -> None:
    """Write beside the target first, then put everything in its place.

    Raises
    ------
    DataError
        If something else has been written there meanwhile.
    """
    parts: dict[Path, Path] = {}
    folder = folder_of(target)
    fresh = bool(pictures) and not folder.exists()
    check_free(target, force)
    try:
        if fresh:
            folder.mkdir()
        for name, content in (pictures or {}).items():
            put(folder / name, content, parts)
        put(target, text.encode("utf-8"), parts)
        for final in list(parts):
            parts[final].replace(final)
            del parts[final]
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
        if fresh and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def put(final: Path, content: bytes, parts: dict[Path, Path]) -> None:
    """Write a part beside its place."""
    part = final.with_name(f".{final.name}.{os.getpid()}.part")
    parts[final] = part
    part.write_bytes(content)
