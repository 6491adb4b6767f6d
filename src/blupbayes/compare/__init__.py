"""Answers side by side: one tidy table of anything that has ``tidy()``."""
