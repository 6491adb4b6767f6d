"""Formulas of the site: what TeX says is what MathML says, and what is not understood is refused."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from mathematics import mathml  # noqa: E402

PAGES = sorted(HERE.parent.glob("*.md"))


def words(markup):
    """What stands in a formula, from left to right, without spaces."""
    return "".join("".join(ElementTree.fromstring(markup).itertext()).split())


def children(markup, tag):
    """The parts of the first element with a tag."""
    namespace = "{http://www.w3.org/1998/Math/MathML}"
    (first, *_) = ElementTree.fromstring(markup).iter(namespace + tag)
    return ["".join(part.itertext()) for part in first]


def formulas(page):
    """TeX of a page, displayed and in the text, outside code."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.S)
    return [a or b for a, b in re.findall(r"\$\$(.*?)\$\$|\$(.+?)\$", text, flags=re.S)]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_formula_of_the_pages_is_understood(page):
    for tex in formulas(page):
        assert words(mathml(tex, block=True)), tex


PARTS = {"mfrac": 2, "msub": 2, "msup": 2, "mover": 2, "munder": 2, "msubsup": 3, "munderover": 3}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_element_has_as_many_parts_as_it_needs(page):
    for tex in [*formulas(page), r"\log_2\alpha \max_x f \log^2 x"]:
        for element in ElementTree.fromstring(mathml(tex, block=True)).iter():
            tag = element.tag.split("}")[1]
            assert len(element) == PARTS.get(tag, len(element)), (tex, tag)


def test_signs_with_a_size_open_and_close():
    assert words(mathml(r"\Big\{ a \Big\}", False)) == "{a}"
    markup = mathml(r"\Big[ a \Big]^2", False)
    assert (
        re.findall(r'form="(\w+)"', markup) == ["prefix", "postfix"] and markup.count('stretchy="true"') == 2
    )


def test_greek_capitals_stand_upright():
    assert mathml(r"\Sigma\sigma", False).count('mathvariant="normal"') == 1


def test_distributed_as_is_a_relation():
    assert words(mathml(r"b \sim N", False)) == "b\u223cN"


def test_fractions_and_powers_have_the_right_parts():
    assert children(mathml(r"-\tfrac12 \log x", False), "mfrac") == ["1", "2"]
    assert children(mathml(r"X'WX", False), "msup") == ["X", "\u2032"]
    assert children(mathml(r"R_X'R_X", False), "msubsup") == ["R", "X", "\u2032"]
    assert children(mathml(r"\sigma^{-2}", False), "msup") == ["\u03c3", "\u22122"]


def test_bars_and_slashes_have_no_space_and_names_of_functions_have_some():
    assert mathml("a/b", False).count('lspace="0" rspace="0"') == 1
    assert mathml("|V|", False).count('lspace="0" rspace="0"') == 2
    assert mathml(r"2\log x", False).count("<mspace") == 2
    assert mathml(r"\log(x)", False).count("<mspace") == 0


def test_names_with_an_underscore_are_written_whole():
    assert words(mathml(r"\texttt{cond\_sd} \le \texttt{pev\_sd}", False)) == "cond_sd\u2264pev_sd"


def test_lines_that_are_aligned_become_a_table():
    markup = mathml("\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}", True)
    assert markup.count("<mtr>") == 2 and words(markup) == "a=bc=d"


@pytest.mark.parametrize("tex", [r"\nonsense{x}", "a & b"])
def test_what_is_not_understood_is_refused(tex):
    with pytest.raises(ValueError, match="is not known"):
        mathml(tex, False)
