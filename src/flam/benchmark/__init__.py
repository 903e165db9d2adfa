"""Systems on benchmarks: what is asked, who answers, what the answers are worth; torch only where a model is loaded."""

from flam.benchmark.benchmark import Benchmark, Item, System
from flam.benchmark.evaluation import Evaluation, evaluate

__all__ = ["Benchmark", "Evaluation", "Item", "System", "evaluate"]
