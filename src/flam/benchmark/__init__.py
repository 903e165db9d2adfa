"""Systems on benchmarks: what is asked, who answers, what the answers are worth; torch only where a model is loaded."""

from flam.benchmark.benchmark import Benchmark, Item
from flam.benchmark.evaluation import Evaluation, evaluate
from flam.benchmark.system import System

__all__ = ["Benchmark", "Evaluation", "Item", "System", "evaluate"]
