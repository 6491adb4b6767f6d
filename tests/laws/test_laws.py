"""Laws of the answer under another way to put the question: units, origins, coordinates, orders, names."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from worlds import ESTIMATE, SOLUTION, fitted, law, powers, same_effects, same_estimates, same_posterior

from contract import close
from random_models import KINDS

FULL = tuple(kind for kind in KINDS if "deficient" not in kind)
SLOPES = (
    "slope",
    "diagonal",
    "slope_only",
    "split",
    "crossed_slopes",
    "three",
    "slope weights",
    "slope deficient",
)
FULL_SLOPES = ("slope", "three", "slope weights", "slope deficient")


@law(c=powers(-6, 6))
def test_unit_of_y(w, c):
    """y c: beta, b and every sd times c; the criterion rises by n (or n - r) log c^2."""
    columns = {"y": c * w.d.y, "shift": c * w.d.frame["shift"]}
    base, found = w.fit(), w.fit(**columns)
    same_estimates(found, base, shift=w.n_criterion * np.log(c**2), unit=c)
    close(found.beta.dropna(), c * base.beta.dropna(), tolerance=ESTIMATE)
    same_effects(found.ranef(), base.ranef(), unit=c, tolerance=ESTIMATE)
    at = {name: value * (c if name == "residual" else c**2) for name, value in w.variances.items()}
    exact, solved = w.model(**columns).solve(at), w.solve()
    close(exact.beta, c * solved.beta, tolerance=SOLUTION)
    same_effects(exact.b, solved.b, unit=c)


@law(kinds=("slope", "crossed", "nested", "crossed offset"))
def test_sign_of_y(w):
    """-y: beta and b change their sign, nothing else changes."""
    base, found = w.fit(), w.fit(y=-w.d.y, shift=-w.d.frame["shift"])
    same_estimates(found, base)
    close(found.beta, -base.beta, tolerance=ESTIMATE)
    close(found.ranef()["estimate"], -base.ranef()["estimate"], base.sigma, ESTIMATE)


@law(kinds=FULL, size=st.floats(-1e3, 1e3), constant=st.booleans())
def test_what_X_explains_goes_to_beta(w, size, constant):
    """y + X d (d = c for the intercept alone: y + c): beta + d, all the rest unchanged."""
    d = size * (np.eye(w.d.X.shape[1])[0] if constant else w.rng.normal(size=w.d.X.shape[1]))
    base, found = w.fit(), w.fit(y=w.d.y + w.d.X @ d)
    same_estimates(found, base)
    close(found.beta, base.beta + d, tolerance=ESTIMATE)
    same_effects(found.ranef(), base.ranef(), tolerance=ESTIMATE)
    exact, solved = w.solve(y=w.d.y + w.d.X @ d), w.solve()
    close(exact.beta, solved.beta + d, tolerance=SOLUTION)
    same_effects(exact.b, solved.b)


@law()
def test_coordinates_of_X(w):
    """X A: X beta and b unchanged, beta -> A^-1 beta, ML unchanged, REML + 2 log|det A|.

    Of deficient rank, X = X_kept B: the determinant is that of the columns of B A that are kept in X A.
    """
    p = w.d.X.shape[1]
    U, _, V = np.linalg.svd(w.rng.normal(size=(p, p)))
    A = U * w.rng.uniform(0.3, 3.0, size=p) @ V
    columns = {f"k{i}": column for i, column in enumerate((w.d.X @ A).T)}
    model = w.model(f"y ~ 0 + {' + '.join(columns)} + {w.bars}", **columns)
    base, found = w.fit(), model.fit(w.method)
    kept = ~found.beta.isna().to_numpy()
    assert kept.sum() == len(w.kept)
    B = np.linalg.lstsq(w.d.X[:, w.kept], w.d.X)[0] @ A[:, kept]
    shift = 2 * np.linalg.slogdet(B)[1] if w.method == "REML" else 0.0
    same_estimates(found, base, shift=shift)
    same_effects(found.ranef(), base.ranef(), tolerance=ESTIMATE)
    close(w.d.X @ A @ np.nan_to_num(found.beta), fitted(w, base), tolerance=ESTIMATE)
    exact, solved = model.solve(w.variances), w.solve()
    same_effects(exact.b, solved.b)
    close(
        A @ exact.beta if kept.all() else w.d.X @ A @ exact.beta,
        solved.beta if kept.all() else fitted(w, solved),
    )


@law()
def test_order_of_rows(w):
    """Shuffled rows: the same answer."""
    frame = w.d.frame.iloc[w.rng.permutation(len(w.d.y))]
    base, found = w.fit(), w.fit(frame=frame)
    same_estimates(found, base)
    close(found.beta.dropna(), base.beta.dropna(), tolerance=ESTIMATE)
    same_effects(found.ranef(), base.ranef(), tolerance=ESTIMATE)
    same_effects(w.solve(frame=frame).b, w.solve().b)


@law(ordered=st.booleans())
def test_names_and_order_of_levels(w, ordered):
    """New labels, in an order of their own: the BLUPs follow the labels."""
    new = {}
    frame = w.d.frame.copy()
    for column in "abcd":
        old = sorted(set(frame[column]))
        new[column] = dict(zip(old, w.rng.permutation([f"{v}'" for v in old]).tolist(), strict=True))
        order = w.rng.permutation(list(new[column].values()))
        labels = frame[column].map(new[column])
        frame[column] = pd.Categorical(labels, categories=order) if ordered else labels

    def rename(group, level):
        return ":".join(new[g][v] for g, v in zip(group.split(":"), level.split(":"), strict=True))

    base, found = w.fit(), w.fit(frame=frame)
    same_estimates(found, base)
    same_effects(found.ranef(), base.ranef(), tolerance=ESTIMATE, rename=rename)
    same_effects(w.solve(frame=frame).b, w.solve().b, rename=rename)


@law()
def test_order_of_categories(w):
    """Another reference level of f: X A with |det A| = 1, so fitted values, BLUPs and even REML are the same."""
    f = pd.Categorical(w.d.frame["f"], categories=w.rng.permutation(["u", "v", "w"]))
    base, found = w.fit(), w.fit(f=f)
    same_estimates(found, base)
    same_effects(found.ranef(), base.ranef(), tolerance=ESTIMATE)
    means = [fit.predict(random="none")["mean"] for fit in (found, base)]
    close(means[0], means[1], tolerance=ESTIMATE)


@law(kinds=tuple(kind for kind in FULL if kind.split()[0] not in ("intercept", "slope_only", "balanced")))
def test_order_of_terms(w):
    """Terms of the formula in another order: the same, by name."""
    bars = w.bars.replace("(1 | a/b)", "(1 | a) + (1 | a:b)").split(" + (")
    bars = [bars[0], *(f"({bar}" for bar in bars[1:])]
    if bars == ["(x | a)"]:
        bars = ["(0 + x + 1 | a)"]
    formula = f"y ~ f + {' + '.join(w.rng.permutation(bars))} + x"
    base, found = w.fit(), w.fit(formula)
    same_estimates(found, base)
    close(found.beta[base.beta.index], base.beta, tolerance=ESTIMATE)
    same_effects(found.ranef(), base.ranef(), tolerance=ESTIMATE)
    same_effects(w.model(formula).solve(w.named(base)).b, w.solve().b)


ONCE = ("slope", 228, 0.3, "ML", "chain", 1000.0, 1.0)  # scoring forgot sd(Intercept): another local minimum


@law(kinds=SLOPES, also=[ONCE], c=powers(-4, 4), sign=st.sampled_from([-1.0, 1.0]))
def test_unit_of_a_random_slope(w, c, sign):
    """x c: its coefficients and sds over c; ML unchanged, REML + log c^2 for the column of X (x2 stays)."""
    c = sign * c

    def change(k):
        return np.diag([1 / c if name == "x" else 1.0 for name in base.statistics.groups[k].names])

    base, found = w.fit(), w.fit(x=c * w.d.frame["x"])
    groups = {g.name: change(k) for k, g in enumerate(base.statistics.groups)}
    same_estimates(found, base, shift=np.log(c**2) if w.method == "REML" else 0.0, change=groups)
    assert np.isclose(
        found.beta["x"], base.beta["x"] / c, rtol=0, atol=ESTIMATE * base.beta.abs().max() / abs(c)
    )
    at = w.changed(groups)
    same_posterior(w.model(x=c * w.d.frame["x"]).solve(at), w.solve(), change)


@law(kinds=FULL_SLOPES, strengths=(1.0, 3.0), c=st.floats(-5.0, 5.0))
def test_origin_of_a_random_slope(w, c):
    """x + c with a full covariance: b_0 -> b_0 - c b_1, and Sigma with it; both criteria unchanged.

    T turns with x, so the search goes another way: of weak effects, whose likelihood may have two minima
    at singular covariances, only the answer at known variances is bound to be the same.
    """

    def change(k):
        return np.array([[1.0, -c], [0.0, 1.0]]) if len(base.statistics.groups[k].names) == 2 else np.eye(1)

    base, found = w.fit(), w.fit(x=w.d.frame["x"] + c)
    groups = {g.name: change(k) for k, g in enumerate(base.statistics.groups)}
    same_estimates(found, base, change=groups)
    at = w.changed(groups)
    same_posterior(w.model(x=w.d.frame["x"] + c).solve(at), w.solve(), change)
