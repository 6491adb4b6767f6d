"""Passes over data that are not in memory as a whole: who visits the batches, and where."""
