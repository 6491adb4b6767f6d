"""Errors of the package: each says what was asked, where it went wrong and what to do instead."""

from __future__ import annotations

__all__ = [
    "BlupbayesError",
    "ComparisonError",
    "DataError",
    "DatasetError",
    "FormulaError",
    "IdentifiabilityError",
    "IntegrationError",
    "LessonError",
    "NewLevelError",
    "PriorError",
    "RowsNotKeptError",
]


class BlupbayesError(ValueError):
    """Base of all errors that the package raises on purpose."""


class FormulaError(BlupbayesError):
    """The formula cannot be read, or names something that the data do not have."""


class DataError(BlupbayesError):
    """The data cannot be used as they are."""


class RowsNotKeptError(DataError):
    """What was asked needs the rows of the data, and the model has kept its statistics only."""

    def __init__(
        self,
        message: str = "this needs the rows of the data, which a model from batches has not kept; ask it of each batch "
        "(fit.predict(batch)), or build the model from a table: MixedModel(formula, data)",
    ) -> None:
        super().__init__(message)


class IdentifiabilityError(BlupbayesError):
    """The data cannot tell two parameters of the model apart."""


class IntegrationError(BlupbayesError):
    """The posterior cannot be integrated at the accuracy that was asked for."""


class PriorError(BlupbayesError):
    """The prior cannot be read, or does not fit the model."""


class ComparisonError(BlupbayesError):
    """The answers to compare do not belong to the same data."""


class LessonError(BlupbayesError):
    """There is no such lesson, or it cannot be copied to where it was asked for."""


class NewLevelError(BlupbayesError):
    """New rows hold a level of a grouping factor that the data do not have."""


class DatasetError(BlupbayesError):
    """There is no such data set, or its file is not what the registry says."""
