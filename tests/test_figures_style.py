"""Colours, pages and results of figures: told apart by three means, no state left behind, words in every file."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

import blupbayes as bb
from blupbayes.errors import BlupbayesError
from blupbayes.show.figures.style import FURTHER, INKS, PARTS, RAW, inks
from blupbayes.show.figures.wording import drawn
from figure_checks import contrast, model

EVERY = [RAW, *INKS.values(), *FURTHER]


@pytest.fixture(scope="module")
def figure():
    return bb.compare(model("rail").fit()).plot_pooling_path(width="84mm")


def test_the_oracle_knows_black_and_white():
    assert contrast("black") == pytest.approx(21) and contrast("white") == pytest.approx(1)
    assert contrast("#767676") == pytest.approx(4.54, abs=0.01)  # the grey that WCAG's own examples use


@pytest.mark.parametrize("colour", [ink.colour for ink in EVERY] + [colour for colour, _ in PARTS])
def test_every_ink_stands_out_from_paper(colour):
    assert contrast(colour) >= 3


def test_every_estimator_is_told_without_colour():
    assert len({(ink.marker, ink.filled) for ink in EVERY}) == len(EVERY)
    assert len({hatch for _, hatch in PARTS}) == len(PARTS)


def test_the_usual_inks():
    found = inks(["ML", "REML", "integrate", "NUTS", "mine"])
    assert (found["ML"].colour, found["ML"].marker, found["ML"].line) == ("#D55E00", "^", ":")
    assert (found["REML"].colour, found["REML"].marker, found["REML"].line) == ("#0072B2", "s", "--")
    assert (found["integrate"].colour, found["integrate"].marker) == ("#000000", "o")
    assert (RAW.colour, RAW.filled) == ("#595959", False)
    assert len({ink.marker for ink in found.values()}) == 5


@pytest.mark.parametrize("name", ["a\nb", "", "\x00", "tab\there"])
def test_names_without_glyphs_are_words(name):
    assert drawn(name).strip() and "\n" not in drawn(name)


def test_importing_the_package_loads_no_matplotlib_and_drawing_no_pyplot():
    code = (
        "import sys, blupbayes as bb\n"
        "assert 'matplotlib' not in sys.modules\n"
        "m = bb.MixedModel('travel ~ 1 + (1 | Rail)', bb.load_dataset('rail'))\n"
        "bb.compare(m.fit()).plot_pooling_path()\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_session_keeps_its_settings_and_a_figure_its_own(tmp_path):
    with matplotlib.rc_context({"font.size": 4, "lines.linewidth": 9, "text.color": "yellow"}):
        before = dict(matplotlib.rcParams)
        result = bb.compare(model("rail").fit()).plot_forest(width="84mm")
        result.savefig(tmp_path / "rail.png")
        assert dict(matplotlib.rcParams) == before
    assert {t.get_fontsize() for t in result.axes[0].get_yticklabels()} == {9.0}


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_files_carry_the_alt_text(figure, tmp_path, ending):
    path = figure.savefig(tmp_path / f"rail.{ending}")
    content = path.read_bytes()
    words = figure.alt[:40]
    assert words.encode() in content or words.encode("utf-16-be") in content
    if ending == "png":
        assert imread(path).shape[1] == round(84 / 25.4 * 300)


def test_the_notebook_gets_alt_text_and_caption(figure):
    bundle = figure._repr_mimebundle_()
    assert f'alt="{figure.alt}"' in bundle["text/html"] and figure.caption in bundle["text/html"]
    assert figure._repr_png_()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_path_that_cannot_be_written_loses_nothing(figure, tmp_path):
    with pytest.raises(BlupbayesError, match="The figure is kept"):
        figure.savefig(tmp_path / "no_such_folder" / "rail.png")
    assert figure.savefig(tmp_path / "rail.png").stat().st_size > 1000


def test_a_result_is_frozen(figure):
    with pytest.raises(AttributeError):
        figure.alt = "other"
    assert np.all([ax.figure is figure.fig for ax in figure.axes])
