"""The paper's comparison at a small scale: methods of one budget, trained with several seeds, on held-out scenes."""

from flam.benchmark.reproduce.config import ComparisonConfig, load_comparison
from flam.benchmark.reproduce.runs import run_comparison

__all__ = ["ComparisonConfig", "load_comparison", "run_comparison"]
