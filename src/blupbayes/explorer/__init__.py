"""The explorer: one offline page with sliders, drawn from numbers computed beforehand."""
