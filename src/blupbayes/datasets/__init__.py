"""Small published data sets, each with its source, licence note, units and checksum."""

from blupbayes.datasets.load import list_datasets as list_datasets
from blupbayes.datasets.load import load_dataset as load_dataset

__all__ = ["list_datasets", "load_dataset"]
