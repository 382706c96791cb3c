"""Figures; matplotlib is imported when one is drawn."""

from affectzoo.plots.faces import circumplex_figure, class_figure, features_figure, size_figure
from affectzoo.plots.plane import cell_error_figure, plane_figure
from affectzoo.plots.predictions import agreement_figure, confusion_figure, traces_figure
from affectzoo.plots.style import COLORS
from affectzoo.plots.systems import cost_figure, interval_figure

__all__ = [
    "COLORS",
    "agreement_figure",
    "cell_error_figure",
    "circumplex_figure",
    "class_figure",
    "confusion_figure",
    "cost_figure",
    "features_figure",
    "interval_figure",
    "plane_figure",
    "size_figure",
    "traces_figure",
]
