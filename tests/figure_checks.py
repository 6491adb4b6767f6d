"""What every figure must satisfy, judged by what matplotlib really draws."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from unittest.mock import patch

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.text import Text

import blupbayes as bb

FORMULAS = {
    "rail": "travel ~ 1 + (1 | Rail)",
    "dyestuff": "Yield ~ 1 + (1 | Batch)",
    "dyestuff2": "Yield ~ 1 + (1 | Batch)",
    "sleepstudy": "Reaction ~ Days + (Days | Subject)",
    "penicillin": "diameter ~ 1 + (1 | plate) + (1 | sample)",
}
BAD = ["<b>A&B</b>", "50 % $x_1$ & $y$", "\U0001f682 日 \U0001f600", "L" * 200, "under_score^2 {a}", "$only"]


def counties(J: int = 85) -> pd.DataFrame:
    """Houses in J counties, 1 to 29 in each; floor is a covariate that belongs to no group."""
    rng = np.random.default_rng(1)
    n = rng.integers(1, 30, J)
    b, floor = np.repeat(rng.normal(0, 0.35, J), n), rng.integers(0, 2, n.sum()).astype(float)
    y = 1.4 + b - 0.6 * floor + rng.normal(0, 0.75, n.sum())
    return pd.DataFrame(
        {"y": y, "floor": floor, "county": np.repeat([f"County {j:02d}" for j in range(J)], n)}
    )


def badly_named() -> pd.DataFrame:
    """Rail with names that break renderers."""
    rail = bb.load_dataset("rail")
    names = dict(zip(sorted(rail["Rail"].astype(str).unique()), BAD, strict=True))
    return rail.assign(Rail=rail["Rail"].astype(str).map(names))


def schools(rows: int = 8) -> bb.MixedModel:
    """Known standard errors; the REML estimate of the sd is 0."""
    data = bb.load_dataset("eight_schools").head(rows)
    return bb.MixedModel("y ~ 1 + (1 | school)", data, weights=1 / data["se"] ** 2, sigma=1)


def model(name: str) -> bb.MixedModel:
    if name == "schools":
        return schools()
    if name == "counties":
        return bb.MixedModel("y ~ floor + (1 | county)", counties())
    if name == "bad":
        return bb.MixedModel("travel ~ 1 + (1 | Rail)", badly_named())
    return bb.MixedModel(FORMULAS[name], bb.load_dataset(name))


@cache
def compared(name: str) -> bb.compare:
    m = model(name)
    return bb.compare(m.fit("ML"), m.fit("REML"), m.integrate())


def drawn(fig) -> list[tuple[str, object, float]]:
    """Every piece of text that is drawn: what, where in pixels, and how large in points."""
    found, original = [], Text.draw

    def record(self, renderer, *args, **kwargs):
        if self.get_visible() and self.get_text().strip():
            found.append((self.get_text(), Text.get_window_extent(self, renderer), self.get_fontsize()))
        return original(self, renderer, *args, **kwargs)

    with patch.object(Text, "draw", record):
        fig.draw_without_rendering()
    return found


def texts(fig) -> list[str]:
    return [text for text, _, _ in drawn(fig)]


def check_text(fig) -> None:
    """No text lies on another, none is cut off, none is small."""
    found = drawn(fig)
    frame = fig.bbox
    for text, box, size in found:
        assert size >= 9, f"{text!r} has {size} points"
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= frame.x1 + 1 and box.y1 <= frame.y1 + 1
        assert inside, f"{text!r} is cut off: {box} in {frame}"
    for (a, one, _), (b, two, _) in combinations(found, 2):
        wide = min(one.x1, two.x1) - max(one.x0, two.x0)
        tall = min(one.y1, two.y1) - max(one.y0, two.y0)
        assert wide <= 1 or tall <= 1, f"{a!r} and {b!r} overlap by {wide:.0f} x {tall:.0f} pixels"


def contrast(colour) -> float:
    """WCAG 2 contrast of a colour with white."""
    c = np.array(to_rgb(colour))
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return float(1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05))


def check_words(result) -> None:
    """Alt text of two sentences, a caption that says what about intervals, and data."""
    assert result.alt.endswith(".") and result.alt.count(". ") == 1, result.alt
    assert "nan" not in result.alt.lower().replace("nano", ""), result.alt
    assert "interval" in result.caption.lower() and result.caption.endswith("."), result.caption
    if "no intervals" not in result.caption:
        assert "%" in result.caption
    assert len(result.data)


def check(result) -> None:
    """All of it."""
    check_text(result.fig)
    check_words(result)
    for ax in result.axes:
        for line in ax.get_lines():
            assert contrast(line.get_color()) >= 3, line
