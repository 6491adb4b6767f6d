"""The answers as users hold them: Fit, Gaussian, Posterior and ExactPosterior, a file each."""

from blupbayes.estimates import Fit
from blupbayes.exact_posterior import ExactPosterior
from blupbayes.posterior import Posterior
from blupbayes.solution import Gaussian

__all__ = ["ExactPosterior", "Fit", "Gaussian", "Posterior"]
