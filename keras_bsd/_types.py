"""Types of arguments and results in public signatures."""

import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike as ArrayLike

Array = np.ndarray
Tensor = Any  # a tensor of the running backend, or a `keras.KerasTensor`
Shape = tuple[int | None, ...]
Config = dict[str, Any]
Path = str | os.PathLike[str]
Layer = Any  # a `keras.layers.Layer`: Keras has no type information
Model = Any  # a `keras.Model`
Function = Callable[..., Any]
wraps: Any = functools.wraps  # typed, it returns functions that are no methods
