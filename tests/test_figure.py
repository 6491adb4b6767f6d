"""A figure of the user's own: words for those who do not see it, and shown once."""

from __future__ import annotations

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import pytest

import blupbayes as bb


def test_it_carries_its_words_and_pyplot_forgets_it():
    fig, ax = plt.subplots()
    ax.plot([1, 2], [3, 4])
    before = plt.get_fignums()
    shown = bb.figure(fig, alt='From 3 to 4 & "more".', caption="A line.", data={"y": [3, 4]})
    assert len(plt.get_fignums()) == len(before) - 1
    html = shown._repr_mimebundle_()["text/html"]
    assert 'alt="From 3 to 4 &amp; &quot;more&quot;."' in html and "<figcaption>A line.</figcaption>" in html
    assert shown.axes == (ax,) and shown.data["y"].tolist() == [3, 4]


def test_without_words_it_is_refused():
    with pytest.raises(bb.DataError, match="alt is empty"):
        bb.figure(plt.Figure(), alt=" ")
