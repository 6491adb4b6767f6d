"""The explorer of a Comparison: checks the path, computes, writes whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blupbayes.explorer.build import build
from blupbayes.explorer.page import page
from blupbayes.plot_tables import Tables
from blupbayes.show.save import new_file, write_new

__all__ = ["Explorers"]


class Explorers:
    """Methods of a Comparison; it has answers and a level."""

    answers: Mapping[str, Any]
    ci_prob: float

    def explorer(
        self,
        path: str | Path,
        *,
        force: bool = False,
        groups: Any = None,
        levels: Any = None,
        rel_error: float = 0.03,
    ) -> Path:
        """Write one HTML page with sliders: what a prior, or more and less pooling, does to the shrinkage.

        Three sliders, each a path of answers that are computed now, so that the page needs nothing but a browser:
        kappa, the prior precision of beta at the REML variances (``MixedModel.kappa_path``); the pooling scale, which
        multiplies the REML sds of the random effects (``pooling_path``); and the scale of a half-normal prior of these
        sds, with the full posterior at each value (``prior_scale_path``). Plot, densities and tables follow the slider
        that was moved last. Marks stay: each level alone, the REML BLUPs, and the posterior in this comparison.

        Parameters
        ----------
        path : str or Path
            Ends in ``.html``.
        force : bool
            Replace a file that is there.
        groups : str or sequence of str, optional
            Grouping factors to show; all by default. The answers always use all data.
        levels : sequence of str, "all", or {group: one of these}, optional
            Levels to show; all by default, a sequence is of the first group.
        rel_error : float
            Of the posteriors along the prior scale, as in ``MixedModel.integrate``.

        Returns
        -------
        Path

        Raises
        ------
        ComparisonError
            Before the work: if the path cannot be written, something is there, no answer knows its data, or more is to
            be shown than 60 levels of a group or 120 levels times coefficients.
        DataError
            If there is no such group or level.

        Notes
        -----
        The file is written whole or not at all. A slider that a model cannot have (no fixed effects, no posterior) is
        switched off and says why. Rounding: two decimals more than the page shows.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = model.compare().explorer(Path(folder) / "rail-explorer.html")
        ...     print(written.name, written.stat().st_size < 2_000_000)
        rail-explorer.html True
        """
        target = new_file("explorer", path, (".html",), force)
        return write_new(target, page(build(Tables(self.answers), self.ci_prob, groups, levels, rel_error)))
