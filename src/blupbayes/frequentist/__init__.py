"""Tests, intervals and degrees of freedom of one fit: the frequentist side."""
