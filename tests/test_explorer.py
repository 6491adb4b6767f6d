"""The explorer: its numbers are those of the paths and of posteriors found otherwise; the page follows its sliders.

Numbers in the page are rounded to ``places`` (two significant digits of the smallest uncertainty) and two decimals.
"""

import json
import re
from functools import cache

import numpy as np
import pytest

import blupbayes as bb
from blupbayes import explorers
from blupbayes.errors import ComparisonError
from blupbayes.explorer.numbers import ALPHABET

CASES = {
    "rail": ("travel ~ 1 + (1 | Rail)", {}),
    "sleepstudy": ("Reaction ~ Days + (Days | Subject)", {"levels": ["335", "308", "337", "370", "310"]}),
    "penicillin": ("diameter ~ 1 + (1 | plate) + (1 | sample)", {}),
    "dyestuff2": ("Yield ~ 1 + (1 | Batch)", {}),
}
MORE, CI, ERROR = 2, 0.9, 0.03


@cache
def model(name):
    return bb.MixedModel(CASES[name][0], bb.load_dataset(name))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Name -> the path of its page and the numbers in it; each is written once."""
    folder = tmp_path_factory.mktemp("explorer")

    @cache
    def make(name):
        cmp = model(name).compare(ci_prob=CI)
        path = cmp.explorer(folder / f"{name}.html", **CASES[name][1])
        return path, numbers(path)

    return make


def numbers(path):
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"))[1])


def stops(reading):
    return [np.inf if x == "inf" else x for x in reading["stops"]]


def same(found, wanted, places):
    """Equal after rounding; None stands for what is not finite. The last term: ties in the last digit."""
    wanted = np.asarray(wanted, dtype=float)
    held = np.array(
        [np.nan if x is None else x for x in np.ravel(np.array(found, dtype=object))], dtype=float
    )
    finite = np.isfinite(wanted.ravel())
    assert (np.isfinite(held) == finite).all()
    half = 0.5 * 10.0 ** -(places + MORE)
    slack = half * (1 + 1e-6) + 1e-9 * np.abs(wanted.ravel()[finite])
    assert (np.abs(held[finite] - wanted.ravel()[finite]) <= slack).all()


def column(path, name, at, block, level):
    """estimate and uncertainty of one level along a path."""
    own = path[
        (path["component"] == block["component"])
        & (path["group"] == block["group"])
        & (path["term"] == block["term"])
        & (path["level"] == level)
    ]
    assert own[name].tolist() == at
    return own["estimate"].to_numpy(), own["uncertainty"].to_numpy()


def check_path(data, reading, path, name):
    """Fixed effects and every level of a reading are those of a path."""
    at = stops(reading)
    for k, fixed in enumerate(data["fixed"]):
        own = path[(path["component"] == "fixed") & (path["term"] == fixed["term"])]
        same(reading["fixed"][k], own["estimate"], fixed["places"])
        same(reading["fixed_sd"][k], own["uncertainty"], fixed["places"])
    for block, held in zip(data["blocks"], reading["blocks"], strict=True):
        for j, level in enumerate(block["levels"]):
            estimate, sd = column(path, name, at, block, level)
            same([row[j] for row in held["estimate"]], estimate, block["places"])
            same([row[j] for row in held["sd"]], sd, block["places"])


@pytest.mark.parametrize("name", CASES)
def test_kappa_and_pooling_are_the_paths_of_the_model(made, name):
    data, m = made(name)[1], model(name)
    fit = m.fit()
    kappa, tau = data["readings"]["kappa"], data["readings"]["tau"]
    assert stops(kappa)[0] == np.inf and stops(kappa)[kappa["rest"]] == 0 and stops(tau)[tau["rest"]] == 1
    check_path(data, kappa, m.kappa_path(fit, stops(kappa)), "kappa")
    check_path(data, tau, m.pooling_path(fit, stops(tau)), "tau")


def test_rail_is_the_closed_form(made):
    """mu(kappa) = 66.5 / (1 + 103.45 kappa), of ux.md; lambda(tau) = 3 tau^2 s2_u / (3 tau^2 s2_u + s2)."""
    data = made("rail")[1]
    kappa, tau = data["readings"]["kappa"], data["readings"]["tau"]
    at = np.array(stops(kappa))[1:]
    assert kappa["fixed"][0][1:] == pytest.approx(
        66.5 / (1 + 103.45 * at), abs=2e-3
    )  # 103.45 has five digits
    assert kappa["fixed"][0][stops(kappa).index(1e-3)] == pytest.approx(60.27, abs=5e-3)
    weight = [1.0 if t == np.inf else 3 * t**2 * 615.31 / (3 * t**2 * 615.31 + 16.167) for t in stops(tau)]
    j = data["blocks"][0]["levels"].index("2")
    shrunk = 66.5 + np.array(weight) * (95 / 3 - 66.5)
    assert [row[j] for row in tau["blocks"][0]["estimate"]] == pytest.approx(shrunk, abs=1e-3)


def test_the_prior_scale_is_the_path_of_the_model(made):
    data, m = made("rail")[1], model("rail")
    reading, block = data["readings"]["scale"], data["blocks"][0]
    path = m.prior_scale_path(scales=reading["stops"], levels="all", ci_prob=CI, rel_error=ERROR)
    for j, level in enumerate(block["levels"]):
        estimate, sd = column(path, "prior_scale", reading["stops"], block, level)
        same([row[j] for row in reading["blocks"][0]["estimate"]], estimate, block["places"])
        same([row[j] for row in reading["blocks"][0]["sd"]], sd, block["places"])
    sds = path[path["component"] == "sd"]
    for key, wanted in (("lb", "ci_lb"), ("median", "estimate"), ("ub", "ci_ub")):
        held = np.array([stop[key] for stop in reading["sds"][0]])
        # quantiles are searched for until they miss by less than ERROR / 100 on the line of the sd
        np.testing.assert_allclose(held, sds[wanted], atol=3e-3 * sds["uncertainty"].max())
    assert reading["error"] == float(f"{path['err'].max():.1g}")


def heights(text):
    """Two letters of base 64 each."""
    pairs = [64 * ALPHABET.index(a) + ALPHABET.index(b) for a, b in zip(text[::2], text[1::2], strict=True)]
    return np.array(pairs) / 4095


def shape(values):
    return values / values.max()


@pytest.mark.parametrize(("name", "place"), [("sleepstudy", 20), ("penicillin", 45), ("dyestuff2", 33)])
def test_posteriors_along_the_prior_scale_are_those_of_an_integral_of_their_own(made, name, place):
    data, m = made(name)[1], model(name)
    reading, p = data["readings"]["scale"], place
    scale = reading["stops"][p]
    terms = [(s["group"], s["term"]) for s in data["sds"][:-1]]
    sds = {}
    for (group, term), spread in zip(terms, reading["spread"], strict=True):
        sds.setdefault(group, {})[term] = f"HalfNormal({scale / spread!r})"
    post = m.integrate(bb.Prior(sd=sds, residual="Flat"), rel_error=1e-3)
    for b, block in enumerate(data["blocks"]):
        names = [f"group_mean_{block['group']}[{level},{block['term']}]" for level in block["levels"]]
        table = post.group_means().query("group == @block['group'] and term == @block['term']")
        own = table.set_index("level").loc[block["levels"]]
        sd = own["posterior_sd"].to_numpy()
        held = {key: np.array(reading["blocks"][b][key][p]) for key in ("estimate", "sd")}
        rough = ERROR * sd + 10.0 ** -(block["places"] + MORE)  # the stated error, and rounding
        assert (np.abs(held["estimate"] - own["estimate"]) <= rough).all()
        assert (np.abs(held["sd"] - sd) <= rough).all()
        j = len(names) // 2
        peak, text = reading["curves"][b][p][j]
        at = np.sort([*np.linspace(-4, 4, 33), *(peak + np.linspace(-0.625, 0.625, 31))])
        wanted = post.density(names[j], held["estimate"][j] + held["sd"][j] * at)["density"].to_numpy()
        np.testing.assert_allclose(heights(text), shape(wanted), atol=0.05)
    for k, (group, term) in enumerate(terms):
        held = reading["sds"][k][p]
        assert held["median"] == pytest.approx(post.quantile(f"sd_{group}[{term}]", 0.5), rel=0.03)
        wanted = post.density(f"sd_{group}[{term}]", np.linspace(*held["ends"], 65))["density"].to_numpy()
        np.testing.assert_allclose(heights(held["curve"]), shape(wanted), atol=0.05)


@pytest.mark.parametrize("name", CASES)
def test_marks_are_raw_values_reml_and_the_posterior(made, name):
    data, m = made(name)[1], model(name)
    fit, post = m.fit(), m.integrate()
    for b, block in enumerate(data["blocks"]):
        key = (block["group"], block["term"])
        own = post.group_means().set_index(["group", "term", "level"])
        same(block["own"], [own.loc[(*key, level), "estimate"] for level in block["levels"]], block["places"])
        same(
            block["own_sd"],
            [own.loc[(*key, level), "posterior_sd"] for level in block["levels"]],
            block["places"],
        )
        at_rest = data["readings"]["kappa"]["blocks"][b]["estimate"][-1]
        assert block["reml"] == pytest.approx(at_rest, abs=1.01 * 10.0 ** -(block["places"] + MORE))
    for k, fixed in enumerate(data["fixed"]):
        same(fixed["reml"], fit.beta.iloc[k], fixed["places"])
        same(fixed["reml_sd"], np.sqrt(fit.beta_cov.iloc[k, k]), fixed["places"])
    for s in data["sds"]:
        reml = fit.sigma if s["group"] == "residual" else fit.variances.sd(s["group"])[s["term"]]
        same(s["reml"], reml, s["places"])
        parameter = "sigma" if s["group"] == "residual" else f"sd_{s['group']}[{s['term']}]"
        assert s["own"]["ub"] == pytest.approx(post.quantile(parameter, 0.5 + CI / 2), rel=3e-3)


# ---- in the browser ------------------------------------------------------------------------------------------------


READ = """() => {
const SLIDERS = ['kappa', 'tau', 'scale'], $ = q => document.querySelector(q);
const each = make => Object.fromEntries(SLIDERS.map(n => [n, make(document.getElementById(n))]));
const rows = t => [...document.querySelectorAll(`#${t} tbody tr`)].map(r => [...r.cells].map(c => c.textContent));
const path = q => $(q) && $(q).getAttribute('d'), svg = $('#shrinkage'), marks = {};
for (const g of svg.querySelectorAll('g[data-level]')) {
  const now = g.querySelector('path.now'), off = g.querySelector('[data-beyond]');
  const of = (q, a) => +g.querySelector(q).getAttribute(a);
  marks[g.dataset.level] = {
    now: now && +now.getAttribute('transform').match(/[-\\d.]+/)[0], off: off && off.textContent,
    raw: of('.raw', 'cx'), blup: of('.blup', 'x') + of('.blup', 'width') / 2, own: of('.bayes', 'cx'),
  };
}
return {
  say: $('#say').textContent, levels: rows('levels'), parameters: rows('parameters'), marks,
  axis: Object.fromEntries(Object.entries(svg.dataset).map(([k, v]) => [k, +v])),
  at: each(e => +e.value), text: each(e => e.getAttribute('aria-valuetext')),
  level: path('#density-level [data-curve=now]'), sd: path('#density-sd [data-curve=now]'),
  label: svg.getAttribute('aria-label'),
  equation: [...document.querySelectorAll('.equation')].filter(e => !e.hidden).map(e => e.id),
};
}"""
DASH = "\N{EN DASH}"


def read(page):
    """What stands on the page."""
    return page.evaluate(READ)


def check_state(seen, data, name, b=0):
    """Table and plot are the numbers of one slider at the stop where it stands."""
    block, reading, i = data["blocks"][b], data["readings"][name], seen["at"][name]
    estimate, sd = (reading["blocks"][b][key][i] for key in ("estimate", "sd"))
    axis, places = seen["axis"], block["places"]
    for j, level in enumerate(block["levels"]):
        cells, marks = seen["levels"][j], seen["marks"][level]
        assert cells[0] == f"{block['group']} {level}" and cells[1] == str(block["n"][j])
        wanted = [
            block["raw"][j],
            estimate[j],
            sd[j],
            estimate[j] - block["raw"][j],
            block["reml"][j],
            block["own"][j],
        ]
        shown = [None if c == DASH else float(c) for c in cells[2:]]
        for found, value in zip(shown, wanted, strict=True):
            # half of the last digit shown, and the page rounds what is rounded already
            assert (found is None) == (value is None)
            assert value is None or abs(found - value) <= 0.51 * 10.0**-places
        pixel = lambda x: axis["left"] + (x - axis["low"]) / (axis["high"] - axis["low"]) * axis["inner"]  # noqa: E731
        for key, value in (("raw", block["raw"][j]), ("blup", block["reml"][j]), ("own", block["own"][j])):
            assert marks[key] == pytest.approx(pixel(value), abs=2e-3)
        if axis["low"] <= estimate[j] <= axis["high"]:
            assert marks["now"] == pytest.approx(pixel(estimate[j]), abs=2e-3) and marks["off"] is None
        else:
            assert marks["now"] is None and f"{estimate[j]:.{places}f}" in marks["off"]
    assert seen["equation"] == [f"equation-{name}"]
    assert seen["say"] in seen["label"]
    assert (seen["sd"] is not None) == (name == "scale")


def press(page, name, *keys):
    page.focus(f"#{name}")
    for key in keys:
        page.keyboard.press(key)
    return read(page)


def drag(page, name, share):
    """Take the thumb where it is and let it go at a share of the slider."""
    box = page.locator(f"#{name}").bounding_box()
    most, at = (float(page.get_attribute(f"#{name}", "max")), float(page.input_value(f"#{name}")))
    thumb = 16.0
    x = lambda s: box["x"] + thumb / 2 + s * (box["width"] - thumb)  # noqa: E731
    y = box["y"] + box["height"] / 2
    page.mouse.move(x(at / most), y)
    page.mouse.down()
    page.mouse.move(x((at / most + share) / 2), y)
    page.mouse.move(x(share), y)
    page.mouse.up()
    return read(page)


@pytest.mark.parametrize("name", CASES)
def test_sliders_move_everything_by_keyboard_and_by_pointer(browser, made, name):
    path, data = made(name)
    readings = data["readings"]

    def steps(page):
        found = [("kappa", read(page))]
        found += [
            ("kappa", press(page, "kappa", "Home")),
            ("kappa", press(page, "kappa", *["ArrowRight"] * 30)),
        ]
        found += [("tau", drag(page, "tau", 0.2)), ("tau", press(page, "tau", "End"))]
        found += [
            ("scale", drag(page, "scale", 0.4)),
            ("scale", press(page, "scale", "ArrowLeft", "ArrowLeft")),
        ]
        page.click("#reset")
        return [*found, ("kappa", read(page))]

    visit = browser.visit(path, steps, axe=True)
    assert visit.faults == []
    for which, seen in visit.result:
        check_state(seen, data, which)
    states = [seen for _, seen in visit.result]
    places = [seen["at"] for seen in states]
    assert [p["kappa"] for p in places[:3]] == [readings["kappa"]["rest"], 0, 30]
    assert (
        0 < places[3]["tau"] < readings["tau"]["rest"] and stops(readings["tau"])[places[4]["tau"]] == np.inf
    )
    assert places[6]["scale"] == places[5]["scale"] - 2
    assert states[-1] == states[0] and places[-1] == {k: r["rest"] for k, r in readings.items()}
    assert states[5]["level"] != states[6]["level"] and states[5]["sd"] != states[6]["sd"]
    assert states[1]["text"]["kappa"] == "kappa infinity, prior sd of each fixed effect 0"
    assert states[4]["text"]["tau"] == "tau infinity, no pooling"
    moved = data["sds"][0]["reml"] > 0
    assert (
        states[3]["levels"] != states[0]["levels"]
    ) == moved  # an sd of 0 stays 0, whatever it is multiplied with
    assert any("any multiple of 0 is 0" in note for note in data["notes"]) != moved


def test_the_sentence_says_where_the_slider_stands(browser, made):
    path, data = made("rail")
    place = data["readings"]["kappa"]["stops"].index(0.001)

    def steps(page):
        page.select_option("#level", label="Rail 2")
        seen = press(page, "kappa", "Home", *["ArrowRight"] * place)
        live = page.get_attribute("#say", "aria-live")
        return seen["say"], live, seen["text"]["kappa"], page.inner_text("#head-level")

    said, live, value, head = browser.visit(path, steps).result
    at = (
        model("rail")
        .kappa_path(model("rail").fit(), [0.001])
        .query("component == 'group_mean' and level == '2'")
    )
    assert (
        said == f"kappa 0.001: mean 60.27; Rail 2 {at['estimate'].iloc[0]:.2f}, alone 31.67."
        and live == "polite"
    )
    assert value == "kappa 0.001, prior sd of each fixed effect 31.6" and head == "Mean of Rail 2"


def test_groups_coefficients_and_sds_are_chosen(browser, made):
    path, data = made("penicillin")

    def steps(page):
        page.select_option("#block", label="sample: Intercept")
        press(page, "tau", "Home")
        seen = read(page)
        page.select_option("#sd", label="residual")
        return seen, page.inner_text("#head-sd")

    seen, head = browser.visit(path, steps).result
    check_state(seen, data, "tau", 1)
    assert head == "Residual sd" and seen["levels"][0][0].startswith("sample ")
    slopes, numbers_of = made("sleepstudy")

    def choose(page):
        page.select_option("#block", label="Subject: Days")
        return press(page, "scale", "End"), page.inner_text("#about-spread")

    seen, spread = browser.visit(slopes, choose).result
    check_state(seen, numbers_of, "scale", 1)
    assert "s / 2.88 for Subject: Days" in spread  # the sd of 0, 1, ..., 9 over 18 subjects


def test_on_a_dark_phone_by_touch(browser, made):
    path, data = made("sleepstudy")

    def steps(page):
        box = page.locator("#scale").bounding_box()
        page.touchscreen.tap(box["x"] + 0.7 * box["width"], box["y"] + box["height"] / 2)
        page.evaluate("window.scrollTo(0, 700)")
        top = page.locator("#card-scale").bounding_box()["y"]
        return read(page), top

    phone = {"width": 390, "height": 844, "has_touch": True, "is_mobile": True, "color_scheme": "dark"}
    visit = browser.visit(path, steps, axe=True, reduced_motion="reduce", **phone)
    seen, top = visit.result
    assert visit.faults == [] and top == 0  # the slider stays in sight
    check_state(seen, data, "scale")
    assert seen["at"]["scale"] == pytest.approx(0.7 * 59, abs=2)


def test_sliders_that_a_model_cannot_have_are_off_and_say_why(browser, tmp_path):
    m = bb.MixedModel("travel ~ 0 + (1 | Rail)", bb.load_dataset("rail"))
    path = bb.compare(m.fit()).explorer(tmp_path / "page.html", rel_error=0.1)
    assert any("model.integrate()" in note for note in numbers(path)["notes"])

    def steps(page):
        off = page.is_disabled("#kappa") and page.is_disabled("#pick-kappa")
        return off, page.inner_text("#value-kappa"), page.inner_text("#say"), page.inner_text("#levels thead")

    visit = browser.visit(path, steps, axe=True)
    off, why, said, heads = visit.result
    assert visit.faults == [] and off and "no fixed effect that the data determine" in why
    assert said.startswith("tau 1: sd of Rail") and "posterior" not in heads


# ---- files ---------------------------------------------------------------------------------------------------------


def test_pages_are_small(made):
    assert max(made(name)[0].stat().st_size for name in CASES) < 500_000


def test_nothing_is_overwritten_or_left_half(tmp_path, monkeypatch):
    cmp = bb.compare(model("rail").fit())
    path = tmp_path / "page.html"
    path.write_text("kept")
    for wrong, why in (
        (path, "the file exists"),
        (tmp_path, "it is a folder"),
        (tmp_path / "a.txt", "must end in"),
    ):
        with pytest.raises(ComparisonError, match=why):
            cmp.explorer(wrong)

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(explorers, "build", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cmp.explorer(path, force=True)
    assert path.read_text() == "kept" and list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(explorers, "build", lambda *args: {"formula": "y ~ 1"})
    assert cmp.explorer(path, force=True) == path and "y ~ 1" in path.read_text()
