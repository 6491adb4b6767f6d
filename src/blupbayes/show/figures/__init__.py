"""Figures, one file each; the only room that imports matplotlib, and only when a figure is asked for."""
