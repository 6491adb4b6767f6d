"""Draws under the names of Bambi, brms and our own PyMC model are the same draws."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import blupbayes as bb
from blupbayes.compare.elsewhere import Known, known_of
from blupbayes.compare.foreign_draws import holds_draws, posterior_group, read_draws
from blupbayes.errors import ComparisonError

LEVELS, TERMS = ("308", "309", "310"), ("Intercept", "Days")
CHAINS, DRAWS = 2, 5
KNOWN = Known(TERMS, {"Subject": (TERMS, LEVELS)})


def truth():
    """Every quantity by its key, numbers that are all different."""
    keys = [("fixed", "", "", t) for t in TERMS] + [("sd", "Subject", "", t) for t in TERMS]
    keys += [("sd", "residual", "", ""), ("corr", "Subject", "", "Intercept, Days")]
    keys += [("b", "Subject", level, t) for level in LEVELS for t in TERMS]
    rng = np.random.default_rng(0)
    return {key: rng.normal(size=(CHAINS, DRAWS)) for key in keys}


def of(found):
    """Keys -> draws of what was read."""
    keys, draws, _ = found
    return {key: draws[:, :, k] for k, key in enumerate(keys)}


def variable(values, **coords):
    shape = [len(v) for v in coords.values()]
    return xr.DataArray(
        np.reshape(np.moveaxis(np.array(values), 0, -1), (CHAINS, DRAWS, *shape)),
        dims=("chain", "draw", *coords),
        coords=coords,
    )


def bambi(q):
    def over_levels(term):
        return variable(
            [q["b", "Subject", level, term] for level in LEVELS], Subject__factor_dim=list(LEVELS)
        )

    return xr.Dataset(
        {
            "Intercept": variable([q["fixed", "", "", "Intercept"]]), "Days": variable([q["fixed", "", "", "Days"]]),
            "sigma": variable([q["sd", "residual", "", ""]]), "1|Subject": over_levels("Intercept"),
            "Days|Subject": over_levels("Days"), "1|Subject_sigma": variable([q["sd", "Subject", "", "Intercept"]]),
            "Days|Subject_sigma": variable([q["sd", "Subject", "", "Days"]]), "1|Subject_offset": over_levels("Days"),
            "mu": variable([q["sd", "residual", "", ""]] * 4, __obs__=range(4)),
        }
    )  # fmt: skip


def brms(q, levels=LEVELS):
    columns = {"b_Intercept": q["fixed", "", "", "Intercept"], "b_Days": q["fixed", "", "", "Days"]}
    columns |= {f"sd_Subject__{t}": q["sd", "Subject", "", t] for t in TERMS}
    columns |= {"cor_Subject__Intercept__Days": q["corr", "Subject", "", "Intercept, Days"]}
    columns |= {"sigma": q["sd", "residual", "", ""], "lp__": np.zeros((CHAINS, DRAWS))}
    columns |= {f"r_Subject[{s},{t}]": q["b", "Subject", s, t] for s in levels for t in TERMS}
    return columns


def ours(q):
    terms, again = list(TERMS), list(TERMS)
    rho = q["corr", "Subject", "", "Intercept, Days"]
    one = np.ones_like(rho)
    b = [q["b", "Subject", s, t] for s in LEVELS for t in TERMS]
    return xr.Dataset(
        {
            "beta": variable([q["fixed", "", "", t] for t in TERMS], fixef=terms),
            "sigma": variable([q["sd", "residual", "", ""]]),
            "sd_Subject": variable([q["sd", "Subject", "", t] for t in TERMS], Subject_term=terms),
            "corr_Subject": variable([one, rho, rho, one], Subject_term=terms, Subject_term_bis=again),
            "b_Subject": variable(b, Subject=list(LEVELS), Subject_term=terms),
        }
    )  # fmt: skip


def as_tree(q):
    return posterior_group(xr.DataTree.from_dict({"posterior": bambi(q)}))


def as_frame(q):
    values = {name: x.ravel() for name, x in brms(q).items()}
    return pd.DataFrame(values | {".chain": np.repeat([1, 2], DRAWS), ".draw": range(CHAINS * DRAWS)})


@pytest.mark.parametrize("known", [Known(), KNOWN])
@pytest.mark.parametrize(
    ("make", "unread", "without"),
    [
        (ours, [], ()),
        (as_tree, ["1|Subject_offset", "mu (by row)"], ("corr",)),
        (as_frame, ["lp__"], ()),
        (lambda q: xr.Dataset({k: variable([v]) for k, v in brms(q).items()}), ["lp__"], ()),
    ],
)
def test_names_of_every_program(make, unread, without, known):
    q = truth()
    read = read_draws(make(q), known)
    found = of(read)
    for key, draws in q.items():
        if key[0] in without:
            assert key not in found
        else:
            np.testing.assert_array_equal(found[key], draws)
    for level in LEVELS:
        for t in TERMS:
            whole = q["fixed", "", "", t] + q["b", "Subject", level, t]
            np.testing.assert_array_equal(found["group_mean", "Subject", level, t], whole)
    assert read[2] == unread and len(found) == len(q) + 6 - len(without)


def test_rows_of_a_frame_in_any_order_of_the_chains():
    q = truth()
    frame = as_frame(q)
    mixed = frame.sort_values(".draw", key=lambda d: d % DRAWS, kind="stable")
    np.testing.assert_array_equal(
        of(read_draws(mixed, KNOWN))["sd", "residual", "", ""], q["sd", "residual", "", ""]
    )
    one = of(read_draws(frame.drop(columns=".chain"), KNOWN))["sd", "residual", "", ""]
    assert one.shape == (1, CHAINS * DRAWS)
    with pytest.raises(ComparisonError, match=r"the chains have \[5, 4\] draws"):
        read_draws(frame.iloc[:-1], KNOWN)


def test_factors_of_bambi():
    values = [np.full((CHAINS, DRAWS), k) for k in range(4)]
    data = xr.Dataset(
        {
            "Machine": variable(values[:2], Machine_dim=["B", "C"]),
            "Machine|Worker": variable(values, Machine__expr_dim=["B", "C"], Worker__factor_dim=["1", "2"]),
            "Machine|Worker_sigma": variable(values[:2], Machine__expr_dim=["B", "C"]),
            "score_sigma": variable(values[:1]),
        }
    )
    own = ("Intercept", "Machine[T.B]", "Machine[T.C]")
    found = of(read_draws(data, Known(own, {"Worker": (own, ("1", "2"))})))
    assert found["fixed", "", "", "Machine[T.C]"][0, 0] == 1
    assert (
        found["b", "Worker", "2", "Machine[T.B]"][0, 0] == 1
        and found["b", "Worker", "1", "Machine[T.C]"][0, 0] == 2
    )
    assert found["sd", "Worker", "", "Machine[T.C]"][0, 0] == 1 and ("sd", "residual", "", "") in found


def test_nothing_known_is_refused_with_the_names():
    data = xr.Dataset(
        {
            "theta": variable(
                [np.zeros((CHAINS, DRAWS))] * 2,
                a=[1, 2],
            )
        }
    )
    with pytest.raises(ComparisonError, match="no draws of a mixed model"):
        read_draws(data.expand_dims(b=[0, 1]), Known())


def test_what_holds_draws():
    assert holds_draws(as_frame(truth()))
    assert not holds_draws(pd.DataFrame({"x": [1], "coef": [2]}))
    assert posterior_group({"a": 1}) is None and posterior_group([1]) is None


def test_our_own_draws_give_the_numbers_of_the_posterior():
    model = bb.MixedModel("diameter ~ 1 + (1 | plate) + (1 | sample)", bb.load_dataset("penicillin"))
    post = model.integrate()
    keys, draws, unread = read_draws(posterior_group(post.draw(500, 2, random_seed=3)), known_of(model))
    assert unread == [] and len(keys) == 1 + 3 + 30 + 30
    k = keys.index(("group_mean", "sample", "A", "Intercept"))
    row = post.group_means().set_index(["group", "level"]).loc[("sample", "A")]
    # 1000 independent draws: five standard errors
    assert draws[:, :, k].mean() == pytest.approx(
        row["estimate"], abs=5 * row["posterior_sd"] / np.sqrt(1000)
    )
