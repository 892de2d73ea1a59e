"""Recognition of recordings of events."""

import math

import _run
import numpy as np
from matplotlib.figure import Figure

from keras_bsd import audit, datasets, plots
from tasks.recognition import Recognition

PREFIX = "events:"
SWEEPS = {"classes": 6, "channels": 70, "duration": 500_000, "noise": 0.015}
SUFFIXES = (".bin", ".npy", ".npz", ".raw", ".dat", ".aedat4")


class EventRecognition(Recognition):
    """Recordings of events to classify, as frames in bins of time.

    Args:
        source: `"sweeps"`, simulated sounds; the name of an image set, at which a simulated camera looks; or a
            folder of recordings: `train` and `test` with a folder for each class, or two files of the Spiking
            Heidelberg Digits, `shd_train.h5` and `shd_test.h5`.
        bins: positive int, time bins of a recording.
        data_dir: folder of TensorFlow Datasets, or None.
        samples: number of training samples, or None for all.
        sensor_size: ints, `(width, height)` of the recordings in a folder.
        downsampling: positive int, side of the squares of pixels that become one.
    """

    def __init__(self, source, bins, data_dir=None, samples=None, sensor_size=(), downsampling=1):
        self.dataset, self.data_dir, self._labels = source, data_dir, None
        self._bins, self._sensor_size, self._downsampling = bins, tuple(sensor_size), downsampling
        folder = _run.expand(source)
        if source == "sweeps":
            self.training, self.test = self._sweeps(samples or 4000, 0), self._sweeps(1000, 1)
        elif not folder.is_dir():
            splits = datasets.load_images(source, data_dir)
            self.training, self.test = (
                (self._simulated(x[:count]), y[:count])
                for (x, y), count in zip(splits, (samples, None), strict=True)
            )
        else:
            self.training, self.test = (
                self._recordings(folder, "train", samples),
                self._recordings(folder, "test"),
            )
        self.classes = int(max(self.training[1].max(), self.test[1].max())) + 1

    @property
    def labels(self) -> list | None:
        return self._labels

    def _sweeps(self, count, seed):
        recordings, classes = datasets.simulate_sweeps(count, seed=seed, **SWEEPS)
        frames = [
            datasets.events_to_frames(
                events, (SWEEPS["channels"],), self._bins, start=0, end=SWEEPS["duration"]
            )
            for events in recordings
        ]
        return np.stack(frames), classes

    def _simulated(self, images):
        """Return frames of a simulated camera, with as many pixels merged as `downsampling` says."""
        grey = images.mean(axis=-1, keepdims=True)
        parts = [
            _downsampled(datasets.simulate_event_frames(grey[i : i + 500], self._bins), self._downsampling)
            for i in range(0, len(grey), 500)
        ]
        return np.concatenate(parts)

    def _recordings(self, folder, split, samples=None):
        file, *others = sorted(folder.glob(f"*{split}.h5")) or [None]
        if others:
            raise ValueError(f"A folder must have one file *{split}.h5. Received: {file} and {others[0]}")
        if file is not None:
            recordings, labels = datasets.load_shd(file)
            sizes, chosen = (700,), range(len(labels))[:samples]
            events = (recordings[i] for i in chosen)
        else:
            paths, labels, self._labels = _paths(folder, split)
            order = np.random.default_rng(0).permutation(len(paths))
            sizes, chosen = self._sensor_size, order[:samples]
            events = (datasets.load_events(paths[i]) for i in chosen)
        frames = [
            datasets.events_to_frames(each, sizes, self._bins, downsampling=self._downsampling)
            for each in events
        ]
        return np.stack(frames), np.asarray(labels, "int32")[list(chosen)]

    def scores(self, model) -> dict:
        """Return the accuracy on test data, that after each bin, and the mean number of bins to a decision."""
        network = getattr(model, "encoder", model)
        over_time = audit.decisions_over_time(network, *self.test)
        return {
            **super().scores(model),
            "accuracy_over_time": over_time["accuracy"].tolist(),
            "latency": float(over_time["latency"].mean()),
        }

    def format_scores(self, scores) -> str:
        steps = len(scores["accuracy_over_time"])
        return f"{super().format_scores(scores)}, decided after {scores['latency']:.1f} of {steps} time steps"


def _downsampled(frames, factor):
    """Return frames `(batch, time, height, width, 2)` with squares of pixels added up."""
    for axis in (2, 3):
        starts = np.arange(0, frames.shape[axis], factor)
        frames = np.add.reduceat(frames, starts, axis=axis) if factor > 1 else frames
    return frames


def _paths(folder, split):
    """Return the paths of all recordings of a split, their classes, and the names of these."""
    found = [path for path in folder.iterdir() if path.is_dir() and path.name.lower() == split]
    names = sorted(path.name for path in found[0].iterdir() if path.is_dir()) if found else []
    if not names:
        raise ValueError(
            "A folder of recordings must have folders `train` and `test`, each with a folder for each class, "
            f"or files *train.h5 and *test.h5. Received: {folder}, without `{split}`"
        )
    paths, labels = [], []
    for label, name in enumerate(names):
        files = sorted(path for path in (found[0] / name).iterdir() if path.suffix.lower() in SUFFIXES)
        paths += files
        labels += [label] * len(files)
    return paths, labels, names


def draw_report(results, titles, model=None, stimulus=None) -> Figure:
    """Draw learning curves, the accuracy over time, and the spikes of a pair for one recording.

    Args:
        results: dict from a method to its results.
        titles: dict from a method to its title.
        model: `keras_bsd.BSDModel`, or None.
        stimulus: frames of one recording.
    """
    figure = Figure(figsize=(13, 8), layout="constrained")
    mosaic = [["loss", "accuracy", "raster"], ["over_time", "over_time", "raster"]]
    axes = figure.subplot_mosaic(mosaic if model else [["loss", "accuracy"], ["over_time", "over_time"]])
    histories = {titles[method]: result["history"] for method, result in results.items()}
    for metric in ("loss", "accuracy"):
        plots.learning_curves(histories, metric, axes[metric])
    curves = {
        titles[method]: dict(enumerate(result["scores"]["accuracy_over_time"], 1))
        for method, result in results.items()
    }
    plots.accuracies(curves, "time steps", axes["over_time"])
    if model:
        recorded = zip(model.encoder_stages, audit.spikes(model, stimulus[None]).items(), strict=True)
        spikes = {
            name: trains.reshape(-1, math.prod(stage.output_features)) for stage, (name, trains) in recorded
        }
        plots.spike_raster(spikes, axis=axes["raster"])
        axes["raster"].set_title("spikes of one test recording")
    return figure
