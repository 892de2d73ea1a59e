"""Forecasts of series."""

import numpy as np
from matplotlib.figure import Figure
from sklearn.linear_model import Ridge

import keras_bsd

COVERAGE = 0.9  # fraction of the values that forecast intervals should contain


def _forecasts(model, windows):
    return model.predict(windows, batch_size=500, verbose=0)


class Forecast:
    """Windows of a series, with the elements that follow each.

    Args:
        dataset, data_dir, missing: see `keras_bsd.datasets.load_series`.
        window: positive int, elements that a forecast is made from.
        horizon: positive int, elements that are forecast.
    """

    name, application, score = "forecast", "SpikingForecaster", "mse"
    loss, metrics, local_readout_weight = "mse", ["mae"], 100.0
    defaults = {"dataset": "mackey_glass", "window": 48, "delays": 24, "units": (128, 128)}

    def __init__(self, dataset, data_dir, window, horizon, missing):
        self.dataset = dataset
        self.series = keras_bsd.datasets.load_series(dataset, data_dir, missing)
        self.window, self.horizon = window, horizon
        splits = keras_bsd.datasets.standardized_splits(self.series, window, horizon)
        windows = [keras_bsd.datasets.windows(split, window, horizon) for split in splits]
        self.training, self.validation, self.test = windows
        keras_bsd.metrics.interval_width(self.validation[1], COVERAGE)  # raises now if there are too few

    def data_arguments(self) -> dict:
        """Return the network's arguments that follow from the data."""
        return {"window": self.window, "horizon": self.horizon, "variables": self.series.values.shape[1]}

    def batches(self, batch_size, seed):
        return keras_bsd.datasets.Batches(*self.training, batch_size, seed=seed)

    def scores(self, model) -> dict:
        """Return errors on the test split, in standard deviations of the training split."""
        return self._scores(lambda windows: _forecasts(model, windows))

    def _scores(self, forecast):
        """Return the scores of a function from windows to forecasts; validation errors set its intervals."""
        x, y = self.test
        errors = forecast(x) - y
        width = keras_bsd.metrics.interval_width(forecast(self.validation[0]) - self.validation[1], COVERAGE)
        mse, mae = (np.mean(values, axis=(0, 2)) for values in (errors**2, np.abs(errors)))
        return {
            "mse": float(mse.mean()),
            "mae": float(mae.mean()),
            "nrmse": float(np.sqrt((errors**2).mean() / y.var())),
            "coverage": float((np.abs(errors) <= width).mean()),
            "interval_width": float(width.mean()),
            "mse_by_step": mse.tolist(),
            "mae_by_step": mae.tolist(),
            "nrmse_at_horizon": float(np.sqrt(mse[-1] / y[:, -1].var())),
        }

    def baselines(self) -> dict:
        """Return the scores of persistence, and of ridge regression with the penalty that validates best."""
        (x, y), (x_validation, y_validation) = (
            (x.reshape(len(x), -1), y.reshape(len(y), -1)) for x, y in (self.training, self.validation)
        )
        fits = [Ridge(penalty).fit(x, y) for penalty in (0.1, 1, 10, 100, 1000)]
        best = min(fits, key=lambda fit: np.mean((fit.predict(x_validation) - y_validation) ** 2))

        def persistence(windows):
            return np.repeat(windows[:, -1:], self.horizon, axis=1)

        def ridge(windows):
            return best.predict(windows.reshape(len(windows), -1)).reshape(-1, *self.test[1].shape[1:])

        return {"persistence": self._scores(persistence), "ridge": self._scores(ridge)}

    def format_scores(self, scores) -> str:
        return (
            f"MSE {scores['mse']:.5f}, MAE {scores['mae']:.5f}, NRMSE {scores['nrmse']:.4f}; "
            f"{scores['coverage']:.0%} in intervals of ±{scores['interval_width']:.3f}"
        )

    def draw(self, models, scores) -> Figure:
        """Draw the first variable with its forecasts, and errors by element ahead.

        Args:
            models: dict from a title to a model.
            scores: dict from a title to scores, of models and baselines.
        """
        figure = Figure(figsize=(13, 7), layout="constrained")
        above, below = figure.subplots(2)
        x, y = self.test
        shown = slice(0, min(len(x), 300))
        above.plot(y[shown, -1, 0], "k", linewidth=1, label="truth")
        for title, model in models.items():
            self._draw_forecasts(model, x[shown], title, above)
        above.set(xlabel="element of the test split", ylabel=self.series.names[0])
        above.set_title(f"forecasts {self.horizon} ahead, intervals for a coverage of {COVERAGE:.0%}")
        steps = np.arange(1, self.horizon + 1)
        for title, values in scores.items():
            below.plot(steps, values["mse_by_step"], marker=".", label=title)
        below.set(xlabel="elements ahead", ylabel="mean squared error", yscale="log")
        for axis in (above, below):
            axis.legend()
        return figure

    def _draw_forecasts(self, model, x, title, axis):
        forecasts = _forecasts(model, x)[:, -1, 0]
        (line,) = axis.plot(forecasts, linewidth=1, label=title)
        errors = _forecasts(model, self.validation[0]) - self.validation[1]
        width = keras_bsd.metrics.interval_width(errors, COVERAGE)[-1, 0]
        axis.fill_between(
            np.arange(len(forecasts)), forecasts - width, forecasts + width, color=line.get_color(), alpha=0.1
        )
