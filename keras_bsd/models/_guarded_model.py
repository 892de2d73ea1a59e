"""Keras models whose data is checked before it changes a weight."""

import functools
from typing import Any

import keras

_wraps: Any = functools.wraps  # typed, it returns functions that are no methods


class GuardedModel(keras.Model):
    """Base class of models with a `BatchGuard`, which a subclass assigns to `_guard`."""

    train_function: Any

    @property
    def stimulus_range(self) -> tuple[float, float] | None:
        """`(low, high)` in which stimuli must lie, or None."""
        return self._guard.stimulus_range

    @property
    def check_numerics(self) -> bool:
        """Whether every batch is checked, and not a stream's first alone."""
        return self._guard.every_batch

    @_wraps(keras.Model.fit)
    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        self._guard.start(x, y)
        try:
            history = super().fit(x, y, *args, **kwargs)
        except (AttributeError, StopIteration, ValueError):  # Keras takes a first batch before all epochs
            self._guard.diagnose(x)
            raise
        self._guard.finish(len(history.epoch), self.optimizer)
        return history

    @_wraps(keras.Model.evaluate)
    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        self._guard.check_arrays(x, y)
        return super().evaluate(x, y, *args, **kwargs)

    @_wraps(keras.Model.predict)
    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        self._guard.check_arrays(x)
        return super().predict(x, *args, **kwargs)

    def make_train_function(self, force: bool = False) -> None:
        if self.train_function is None or force:
            if not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)
            super().make_train_function(force)
            self.train_function = self._guard.wrap(
                self.train_function, self.steps_per_execution, self.restore_state
            )
