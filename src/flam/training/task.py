"""The interface of training tasks, and the registry of losses.

The trainer knows no task. A new one is one file in ``tasks/``, named for its kind; a new loss is one function marked
with ``objective``. Recipes name both.
"""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from torch import Tensor, nn

from flam.core import ConfigError, from_mapping
from flam.model.towers import TwoTowers

if TYPE_CHECKING:
    from flam.training.distribution import World
    from flam.training.recipe import Recipe

Notify = Callable[[str], None]
Function = TypeVar("Function", bound=Callable[..., Tensor])


@dataclass(frozen=True)
class Objective:
    """A loss that recipes can give a weight.

    Parameters
    ----------
    function : callable
        Takes what the task computed in a step (an instance of its ``step_class``) and gives a scalar.
    needs : frozenset of str
        What the task has to read or compute for it; the task says what there is.
    """

    function: Callable[[Any], Tensor]
    needs: frozenset[str]


_OBJECTIVES: dict[tuple[type, str], Objective] = {}


def objective(name: str, step_class: type, needs: Sequence[str] = ()) -> Callable[[Function], Function]:
    """Register a function as the loss ``name`` of the tasks whose steps are of a class.

    Parameters
    ----------
    name : str
        Key under ``losses`` in recipes; the log calls it ``<name>_loss``.
    step_class : type
        What the function takes.
    needs : sequence of str
        What the task has to read or compute for it.

    Examples
    --------
    >>> class Step: ...
    >>> @objective("zero", Step)
    ... def zero(step: Step) -> Tensor:
    ...     return torch.zeros(())
    >>> sorted(objectives(Step))
    ['zero']
    """

    def register(function: Function) -> Function:
        _OBJECTIVES[step_class, name] = Objective(function, frozenset(needs))
        return function

    return register


def objectives(step_class: type) -> dict[str, Objective]:
    """Look up the losses of tasks whose steps are of a class, by name."""
    return {name: found for (of, name), found in _OBJECTIVES.items() if issubclass(step_class, of)}


class Task(ABC):
    """One way to train a model.

    Attributes
    ----------
    settings : type
        Frozen dataclass of the task's own settings, with a ``kind``.
    step_class : type
        What its losses look at.
    quality : str or None
        Figure of ``validate`` that decides which model is the best; None where none is kept.
    can_be_spread : bool
        Whether several processes can share the work.
    module : torch.nn.Module
        What is trained: takes what ``pieces`` gives and returns a NamedTuple of features. It holds the model as
        ``model``; what else it holds is needed in training alone, and is kept beside the packaged model.
    """

    settings: ClassVar[type]
    step_class: ClassVar[type]
    quality: ClassVar[str | None] = None
    can_be_spread: ClassVar[bool] = False
    module: nn.Module

    @classmethod
    def known_losses(cls) -> dict[str, Objective]:
        """Losses that recipes of this task can give a weight, by name."""
        return objectives(cls.step_class)

    @classmethod
    @abstractmethod
    def check(cls, recipe: Recipe) -> None:
        """Refuse a recipe that this task can't follow, before anything is read or made.

        Raises
        ------
        ConfigError
            A setting or a file is missing or does not fit.
        """

    @classmethod
    @abstractmethod
    def open(cls, recipe: Recipe, world: World, notify: Notify) -> Task:
        """Build the model and open the data of a recipe."""

    @property
    def model(self) -> TwoTowers:
        """The model inside the module."""
        return self.module.model  # type: ignore[return-value]

    @abstractmethod
    def batches(self, first_step: int) -> Iterator[Any]:
        """Yield the batch of every step from ``first_step`` on; a function of seed and step alone."""

    @abstractmethod
    def n_clips(self, batch: Any) -> int:
        """Count what this process hears or reads in a batch."""

    def pieces(self, batch: Any, n_pieces: int) -> list[Any]:
        """Cut what a step embeds into so many inputs of the module."""
        if n_pieces != 1:
            raise ConfigError("compute.micro_batch_size: this task takes whole batches; set it to null")
        return [batch]

    @abstractmethod
    def step(self, features: Any, batch: Any, n_pieces: int) -> Any:
        """Put features and batch together into what the losses look at."""

    def losses(self, features: Any, batch: Any, enabled: frozenset[str], n_pieces: int = 1) -> dict[str, Tensor]:
        """Compute the losses of a step, each under a name that ends in ``_loss``."""
        step, known = self.step(features, batch, n_pieces), self.known_losses()
        return {f"{name}_loss": known[name].function(step) for name in known if name in enabled}

    def validate(self, n_batches: int) -> dict[str, Any]:
        """Measure the model on held-out data; the module is in evaluation mode and holds the averaged weights."""
        return {}

    @abstractmethod
    def saved(self, batch: Any) -> dict[str, Any]:
        """Give what to save of a batch that led to a loss that is no number: tensors, lists and numbers."""


def needed_for(task: type[Task], enabled: frozenset[str]) -> frozenset[str]:
    """Collect what a task has to read or compute for some of its losses."""
    return frozenset().union(*(found.needs for name, found in task.known_losses().items() if name in enabled))


def task_kinds() -> list[str]:
    """List the kinds of tasks, the names of the files in ``tasks/``.

    Examples
    --------
    >>> "mga_clap" in task_kinds()
    True
    """
    return sorted(module.name for module in pkgutil.iter_modules(import_module("flam.training.tasks").__path__))


def task_class(kind: str) -> type[Task]:
    """Import the task of a kind, with its losses.

    Raises
    ------
    ConfigError
        There is no such kind.
    """
    if kind not in task_kinds():
        raise ConfigError(f"task.kind {kind!r} is unknown; known kinds: {', '.join(task_kinds())}")
    objectives_package = import_module("flam.training.objectives")
    for module in pkgutil.iter_modules(objectives_package.__path__):
        import_module(f"{objectives_package.__name__}.{module.name}")
    return import_module(f"flam.training.tasks.{kind}").TASK


def task_settings(mapping: Any, where: str = "task") -> Any:
    """Read the settings of a task; its ``kind`` says of which.

    Examples
    --------
    >>> task_settings({"kind": "mga_clap"}).hardness
    0.15
    """
    if not isinstance(mapping, dict) or not isinstance(mapping.get("kind"), str):
        raise ConfigError(f"{where}: {mapping!r} names no kind; give one of {', '.join(task_kinds())}")
    return from_mapping(task_class(mapping["kind"]).settings, mapping, where)
