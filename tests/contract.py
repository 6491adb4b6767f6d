"""One contract for every way to the same number: the dense oracle judges all of them.

Tolerances are relative to the norm of the block that a number stands in. 1e-10 leaves six digits for the
condition of the random designs (about 1e3) and for the oracle's own V^-1, which squares it.
"""

import numpy as np

BLOCK = 1e-10


def close(actual, expected, scale=None, tolerance=BLOCK):
    """Assert |actual - expected| <= tolerance times the norm of the block."""
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    assert actual.shape == expected.shape
    size = np.linalg.norm(expected) if scale is None else scale
    assert np.abs(actual - expected).max(initial=0.0) <= tolerance * max(size, 1e-300)


def level_blocks(full, blocks):
    """Diagonal level blocks (J, q, q) per grouping factor of a (q_total, q_total) matrix."""
    out, first = [], 0
    for k in blocks:
        part = full[first : first + k.J * k.q, first : first + k.J * k.q].reshape(k.J, k.q, k.J, k.q)
        out.append(part[np.arange(k.J), :, np.arange(k.J), :])
        first += k.J * k.q
    return out


def split(vector, blocks):
    """(q_total, ...) -> one (J, q, ...) per grouping factor."""
    ends = np.cumsum([k.J * k.q for k in blocks])[:-1]
    parts = zip(np.split(vector, ends), blocks, strict=True)
    return [x.reshape(k.J, k.q, *vector.shape[1:]) for x, k in parts]


def check_answer(answer, oracle, blocks, kappa=0.0, mean=0.0):
    """A Gaussian answer (beta, beta_cov, b, cond_cov, pev, cross_cov) against the oracle."""
    beta, beta_cov = oracle.fixed(kappa, m=mean)
    close(answer.beta, beta)
    if np.isfinite(answer.beta_cov).all():
        close(answer.beta_cov, beta_cov)
    b = oracle.random(kappa, m=mean)
    pev, cond, cross = oracle.pev(kappa), oracle.cond_cov, oracle.cross_cov(kappa)
    groups = range(len(blocks))
    for k, mine in zip(groups, split(b, blocks), strict=True):
        close(answer.b[k], mine, np.linalg.norm(b))
    for actual, full in ((answer.pev, pev), (answer.cond_cov, cond)):
        for k, mine in zip(groups, level_blocks(full, blocks), strict=True):
            close(actual[k], mine, np.linalg.norm(full))
    for k, mine in zip(groups, split(cross, blocks), strict=True):
        close(answer.cross_cov[k], mine, max(np.linalg.norm(cross), np.linalg.norm(pev)))
