"""The interfaces of other packages, so that scripts written for them run here."""

from flam.compat.openflam import OpenFLAM, plot_sed_heatmap

__all__ = ["OpenFLAM", "plot_sed_heatmap"]
