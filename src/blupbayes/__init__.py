"""BLUPs, ML/REML estimates and the Bayesian posterior of one linear mixed model, side by side.

Examples
--------
>>> import blupbayes as bb
>>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
>>> comparison = bb.compare(model.fit("ML"), model.fit("REML"))
"""

from blupbayes.coverage import coverage
from blupbayes.coverage_plot import plot_coverage
from blupbayes.datasets import list_datasets, load_dataset
from blupbayes.errors import (
    BlupbayesError,
    ComparisonError,
    DataError,
    DatasetError,
    FormulaError,
    IdentifiabilityError,
    IntegrationError,
    LessonError,
    NewLevelError,
    PriorError,
    RowsNotKeptError,
    TooLargeError,
)
from blupbayes.external import external
from blupbayes.figure import figure
from blupbayes.inference import anova
from blupbayes.lessons import lesson, list_lessons
from blupbayes.mixed_model import MixedModel
from blupbayes.model.joint import Decov, InverseWishart, Wishart
from blupbayes.model.prior import Prior
from blupbayes.posterior import read_posterior
from blupbayes.versions import show_versions

# Last: the package compare/ is loaded by now, and the name belongs to the function.
from blupbayes.comparison import compare  # isort: skip

__all__ = [
    "BlupbayesError",
    "ComparisonError",
    "DataError",
    "DatasetError",
    "Decov",
    "FormulaError",
    "IdentifiabilityError",
    "IntegrationError",
    "InverseWishart",
    "LessonError",
    "MixedModel",
    "NewLevelError",
    "Prior",
    "PriorError",
    "RowsNotKeptError",
    "TooLargeError",
    "Wishart",
    "__version__",
    "anova",
    "compare",
    "coverage",
    "external",
    "figure",
    "lesson",
    "list_datasets",
    "list_lessons",
    "load_dataset",
    "plot_coverage",
    "read_posterior",
    "show_versions",
]


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for: reading package metadata is a tenth of the import."""
    if name == "__version__":
        from importlib.metadata import version

        return version("blupbayes")
    raise AttributeError(f"module 'blupbayes' has no attribute {name!r}")
