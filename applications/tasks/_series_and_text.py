"""What the recipes for series and texts share: data, networks, scores, baselines, pictures."""

import numpy as np
from matplotlib.figure import Figure
from sklearn.linear_model import Ridge

from keras_bsd import plots, sequences
from keras_bsd.datasets import Batches

COVERAGE = 0.9  # part of the values that forecast intervals are to hold


def _forecasts(model, windows):
    return model.predict(windows, batch_size=500, verbose=0)


class Forecast:
    """Windows of a series, and what follows them."""

    name, application, score = "forecast", "SpikingForecaster", "mse"
    loss, metrics, local_readout_weight = "mse", ["mae"], 100.0
    defaults = {"window": 48, "delays": 24, "units": (128, 128)}

    def __init__(self, dataset, data_dir, window, horizon, missing):
        self.series = sequences.load_series(dataset, data_dir, missing)
        self.window, self.horizon = window, horizon
        parts = sequences.standardized_splits(self.series, window, horizon)
        windows = [sequences.windows(part, window, horizon) for part in parts]
        self.training, self.validation, self.test = windows
        sequences.interval_width(self.validation[1], COVERAGE)  # raises before training if these are too few

    def data_arguments(self):
        return {
            "window": self.window,
            "horizon": self.horizon,
            "variables": self.series.values.shape[1],
        }

    def batches(self, batch_size, seed):
        return Batches(*self.training, batch_size, seed=seed)

    def scores(self, model):
        """Errors on the test part, in deviations of the training part."""
        return self.errors(lambda windows: _forecasts(model, windows))

    def errors(self, forecast):
        """Scores of a function from windows to forecasts; its intervals follow from the validation part."""
        wrong, y = forecast(self.test[0]) - self.test[1], self.test[1]
        width = sequences.interval_width(forecast(self.validation[0]) - self.validation[1], COVERAGE)
        squares, sizes = (np.mean(values, axis=(0, 2)) for values in (wrong**2, np.abs(wrong)))
        return {
            "mse": float(squares.mean()),
            "mae": float(sizes.mean()),
            "nrmse": float(np.sqrt((wrong**2).mean() / y.var())),
            "covered": float((np.abs(wrong) <= width).mean()),
            "interval_width": float(width.mean()),
            "mse_by_step": squares.tolist(),
            "mae_by_step": sizes.tolist(),
            "nrmse_at_horizon": float(np.sqrt(squares[-1] / y[:, -1].var())),
        }

    def baselines(self):
        """Scores of the last element held, and of ridge regression on the window, its penalty by validation."""
        (x, y), (x_validation, y_validation) = (
            (x.reshape(len(x), -1), y.reshape(len(y), -1)) for x, y in (self.training, self.validation)
        )
        fits = [Ridge(penalty).fit(x, y) for penalty in (0.1, 1, 10, 100, 1000)]
        best = min(fits, key=lambda fit: np.mean((fit.predict(x_validation) - y_validation) ** 2))

        def held(windows):
            return np.repeat(windows[:, -1:], self.horizon, axis=1)

        def ridge(windows):
            return best.predict(windows.reshape(len(windows), -1)).reshape(-1, *self.test[1].shape[1:])

        return {"persistence": self.errors(held), "ridge": self.errors(ridge)}

    def tell(self, scores):
        return (
            f"MSE {scores['mse']:.5f}, MAE {scores['mae']:.5f}, NRMSE {scores['nrmse']:.4f}; "
            f"{scores['covered']:.0%} in intervals of ±{scores['interval_width']:.3f}"
        )

    def draw(self, models, scores):
        """The first variable's course and forecasts, and errors by step ahead."""
        figure = Figure(figsize=(13, 7), layout="constrained")
        above, below = figure.subplots(2)
        x, y = self.test
        shown = slice(0, min(len(x), 300))
        above.plot(y[shown, -1, 0], "k", linewidth=1, label="truth")
        for label, model in models.items():
            forecasts = _forecasts(model, x[shown])[:, -1, 0]
            line, *_ = above.plot(forecasts, linewidth=1, label=label)
            errors = _forecasts(model, self.validation[0]) - self.validation[1]
            width = sequences.interval_width(errors, COVERAGE)[-1, 0]
            steps = np.arange(len(forecasts))
            above.fill_between(steps, forecasts - width, forecasts + width, color=line.get_color(), alpha=0.1)
        above.set(xlabel="element of the test part", ylabel=self.series.names[0])
        above.set_title(f"forecast {self.horizon} ahead, intervals meant to hold {COVERAGE:.0%}")
        steps = np.arange(1, self.horizon + 1)
        for label, kept in scores.items():
            below.plot(steps, kept["mse_by_step"], marker=".", label=label)
        below.set(xlabel="elements ahead", ylabel="mean squared error", yscale="log")
        for axis in (above, below):
            axis.legend()
        return figure


class Text:
    """Windows of a text, and what follows each of their characters."""

    name, application, score = "text", "SpikingCharRNN", "accuracy"
    loss, metrics, local_readout_weight = "sparse_categorical_crossentropy", ["accuracy"], 3.0
    defaults = {"window": 32, "delays": 8, "units": (256,)}

    def __init__(self, dataset, data_dir, window, alphabet=None):
        parts = sequences.load_text(dataset, data_dir)
        self.alphabet, self.window = alphabet or "".join(sorted({*"".join(parts)})), window
        unknown = sorted({*"".join(parts)} - {*self.alphabet})
        if unknown:
            raise ValueError(
                f"The model knows the characters {self.alphabet!r} alone. Received: {dataset} with "
                f"{''.join(unknown)!r}. Leave them out, or put others in their place."
            )
        numbers = {character: i for i, character in enumerate(self.alphabet)}
        self.training, validation, test = (
            np.array([numbers[character] for character in part], "int32") for part in parts
        )
        self.prompt = parts[2][:64]
        self.validation, self.test = (sequences.pieces(part, window) for part in (validation, test))
        self.streams = sequences.pieces(test, max(len(test) // 16 - 1, 1))
        self.labels = [*self.alphabet]

    def data_arguments(self):
        return {"alphabet": self.alphabet}

    def batches(self, batch_size, seed):
        return sequences.TextWindows(self.training, self.window, batch_size, seed)

    def scores(self, model):
        """Of next characters in windows from rest, and in 16 long pieces whose state is carried on."""
        return {
            f"{name}{kind}": value
            for kind, (x, y) in (("", self.test), ("_carried", self.streams))
            for name, value in _text_scores(model, x, y).items()
        }

    def baselines(self):
        """Scores of the likeliest character after each one."""
        classes = len(self.alphabet)
        counts = np.ones((classes, classes))
        np.add.at(counts, (self.training[:-1], self.training[1:]), 1)
        x, y = self.test
        likely = counts / counts.sum(axis=1, keepdims=True)
        bits = -np.log2(likely[x, y]).mean()
        accuracy = (likely.argmax(axis=1)[x] == y).mean()
        return {"bigrams": {"accuracy": float(accuracy), "bits_per_character": float(bits)}}

    def tell(self, scores):
        carried = scores.get("accuracy_carried")
        carried = "" if carried is None else f", {carried:.2%} with state carried"
        return f"{scores['accuracy']:.2%}{carried}, {scores['bits_per_character']:.3f} bits per character"

    def draw(self, models, scores):
        """Accuracies side by side."""
        figure = Figure(figsize=(8, 4), layout="constrained")
        axis = figure.add_subplot()
        axis.barh(list(scores), [kept["accuracy"] for kept in scores.values()])
        axis.set(xlabel="accuracy of the next character", xlim=(0, 1))
        return figure


def _text_scores(model, x, y):
    probabilities = model.predict(x, batch_size=50, verbose=0)
    right = np.take_along_axis(probabilities, y[..., None], axis=-1)
    return {
        "accuracy": float((probabilities.argmax(axis=-1) == y).mean()),
        "bits_per_character": float(-np.log2(np.maximum(right, 1e-12)).mean()),
    }


def draw_training(histories):
    figure = Figure(figsize=(8, 4), layout="constrained")
    plots.learning_curves(histories, axis=figure.add_subplot())
    return figure
