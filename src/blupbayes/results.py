"""The answers as users hold them: Fit, Gaussian and Posterior, a file each."""

from blupbayes.estimates import Fit
from blupbayes.posterior import Posterior
from blupbayes.solution import Gaussian

__all__ = ["Fit", "Gaussian", "Posterior"]
