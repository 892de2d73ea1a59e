"""Keras models whose data is checked before it changes a weight."""

import inspect
import warnings
from typing import Any

import keras

from keras_bsd._types import Config, wraps
from keras_bsd.models._batch_guard import explained_memory
from keras_bsd.models._compilation import xla_pays

_COMPILE, _FIT, _EVALUATE = (
    inspect.signature(method) for method in (keras.Model.compile, keras.Model.fit, keras.Model.evaluate)
)


class GuardedModel(keras.Model):
    """Base class of models with a `BatchGuard`, which a subclass assigns to `_guard`."""

    train_function: Any
    test_function: Any
    predict_function: Any
    _chooses_xla = False  # whether `compile` leaves the choice
    _has_chosen_xla = False  # for training alone: predictions must be those of the saved model, bit by bit

    @property
    def stimulus_range(self) -> tuple[float, float] | None:
        """`(low, high)` in which stimuli must lie, or None."""
        return self._guard.checks.stimulus_range

    @property
    def check_numerics(self) -> bool:
        """Whether every batch of a stream is checked, and not its first alone."""
        return self._guard.every_batch

    @wraps(keras.Model.compile)
    def compile(self, *args: Any, **kwargs: Any) -> None:
        given = _COMPILE.bind(self, *args, **kwargs).arguments
        self._chooses_xla = given.get("jit_compile", "auto") == "auto"
        self._has_chosen_xla = False
        super().compile(*args, **kwargs)

    def get_compile_config(self) -> Config:
        config = super().get_compile_config()  # holds what Keras has chosen here
        return {**config, "jit_compile": "auto"} if config and self._chooses_xla else config

    @wraps(keras.Model.fit)
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        call = _FIT.bind(self, *args, **kwargs)
        given = call.arguments
        x, y, validation = given.get("x"), given.get("y"), given.get("validation_data")
        weights = given.get("sample_weight"), given.get("class_weight")
        given["x"] = self._guard.admit("train", x, y, *weights, given.get("batch_size") or 32)
        if validation is not None:
            given["validation_data"] = self._guard.admit_validation(validation)
        lengths = ("batch_size", "epochs", "initial_epoch", "steps_per_epoch")
        self._choose_xla(given["x"], **{name: given[name] for name in lengths if name in given})
        try:
            with explained_memory("train"):
                history = super().fit(*call.args[1:], **call.kwargs)
        except Exception as error:
            self._guard.diagnose(x, error)
            raise
        self._guard.finish(len(history.epoch), self.optimizer)
        return history

    def _check_trains(self):
        """Raise if kernels are quantised: training would change biases and normalisation alone."""
        quantized = [variable.path for variable in self.variables if variable.dtype in ("int8", "uint8")]
        if quantized:
            raise ValueError(
                f"{self.__class__.__name__} trains networks in floating point. Received: {len(quantized)} "
                f"weights that are quantised, such as {quantized[0]}. Train before `quantize`; to train "
                "further, load the network as it was saved before."
            )

    def _choose_xla(self, x, **lengths):
        """Compile training with XLA, if `compile` left the choice and Keras has left it out, and it pays."""
        if self._chooses_xla and self.xla_left_out() and xla_pays(self.encoder_stages, x, **lengths):
            self._set_xla(True)
            self._has_chosen_xla, self.train_function = True, None

    def _set_xla(self, compiles):
        with warnings.catch_warnings():  # of layers for which Keras rejects it
            warnings.simplefilter("ignore")
            self.jit_compile = compiles

    @wraps(keras.Model.evaluate)
    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        call = _EVALUATE.bind(self, *args, **kwargs)
        given = call.arguments
        if given.get("kwargs", {}).get("_use_cached_eval_dataset"):  # `fit` has checked these
            self._guard.expect_checked("test")
        else:
            given["x"] = self._guard.admit("test", given.get("x"), given.get("y"), given.get("sample_weight"))
        with explained_memory("test"):
            return super().evaluate(*call.args[1:], **call.kwargs)

    @wraps(keras.Model.predict)
    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        return super().predict(self._guard.admit("predict", x), *args, **kwargs)

    @wraps(keras.Model.train_on_batch)
    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, **kwargs: Any
    ) -> Any:
        x = self._guard.admit("train", x, y, sample_weight, class_weight)
        return super().train_on_batch(x, y, sample_weight, class_weight, **kwargs)

    @wraps(keras.Model.test_on_batch)
    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, **kwargs: Any) -> Any:
        x = self._guard.admit("test", x, y, sample_weight)
        return super().test_on_batch(x, y, sample_weight, **kwargs)

    @wraps(keras.Model.predict_on_batch)
    def predict_on_batch(self, x: Any) -> Any:
        return super().predict_on_batch(self._guard.admit("predict", x))

    def make_train_function(self, force: bool = False) -> None:
        def make(force):
            self._check_trains()
            if not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)
            super(GuardedModel, self).make_train_function(force)

        self._make("train", make, force)

    def make_test_function(self, force: bool = False) -> None:
        self._make("test", self._without_chosen_xla(super().make_test_function), force)

    def make_predict_function(self, force: bool = False) -> None:
        self._make("predict", self._without_chosen_xla(super().make_predict_function), force)

    def _without_chosen_xla(self, make):
        def make_without(force):
            compiles = self.jit_compile
            self._set_xla(compiles and not self._has_chosen_xla)
            make(force=force)
            self._set_xla(compiles)

        return make_without

    def _make(self, way, make, force):
        """Make a step function that checks batches, unless there is one and no layer was quantised since."""
        name, dtypes = f"{way}_function", [variable.dtype for variable in self.variables]
        if getattr(self, name) is None or force or getattr(self, name).dtypes != dtypes:
            make(force=True)
            steps, of_state = self.steps_per_execution, (self.keep_state, self.restore_state)
            function = self._guard.wrap(way, getattr(self, name), steps, *of_state)
            function.dtypes = dtypes
            setattr(self, name, function)
