"""Estimates under the microscope: tests, degrees of freedom and intervals of the frequentist side."""
