"""Benchmarks, the systems that are run on them, and their figures; torch only where a model is loaded."""

from flam.benchmark.benchmark import Benchmark, Item, System
from flam.benchmark.evaluation import Evaluation, evaluate

__all__ = ["Benchmark", "Evaluation", "Item", "System", "evaluate"]
