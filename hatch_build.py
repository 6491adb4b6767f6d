"""What the wheel has beyond src/blupbayes: the lessons of notebooks/, as blupbayes/lessons/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Lessons(BuildHookInterface):
    """Adds scripts and executed notebooks; the tools beside them stay in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name each file, and where it goes."""
        for file in sorted((Path(self.root) / "notebooks").glob("[0-9]*")):
            if file.suffix in {".py", ".ipynb"}:
                build_data["force_include"][str(file)] = f"blupbayes/lessons/{file.name}"
