"""The tables: a network, its data, and what others published on it. Keras is not imported here."""

from typing import NamedTuple

FORECASTER = "SpikingForecaster"
PAIRS = {"bsd": "BSD", "bsd_readouts": "BSD with local readouts"}  # what is trained by BSD, and its title


class Table(NamedTuple):
    """A network and the data that it is trained on.

    Attributes:
        title: heading on the page.
        dataset: name of an image set or a series, see `keras_bsd.datasets`.
        builder: name of a function of `keras_bsd.applications`.
        arguments: dict of its arguments, without those that follow from the data.
        published: dict from a method to the accuracy of the same network that `source` has.
        source: where the published accuracies are from, and how that training differs.
    """

    title: str
    dataset: str
    builder: str
    arguments: dict
    published: dict = {}
    source: str = ""

    @property
    def forecasts(self):
        """Whether the score is a mean squared error, not an accuracy."""
        return self.builder == FORECASTER

    @property
    def local_readout_weight(self):
        """That of `bsd_readouts`, by the task alone, as in the recipes."""
        return 100.0 if self.forecasts else 1.0


NEUROTRAIN = (
    "Published: NeuroTrain, Caviglia et al., arXiv 2605.15058, current results of its repository. The sizes of "
    "the network are the same{exception}, all else differs: neurons of snnTorch with a leak of 0.9 by default "
    "and no normalisation, stimuli coded by rates over 25 time steps by default, readouts of spiking neurons, "
    "20 epochs, and of 10 settings that Optuna proposes the one with the best accuracy on the test images, "
    "which are so not held out from the choice."
)
RECURRENT = ", except for `eprop`, which trains a recurrent 784-256-10"
SHAPES = {"small": (256,), "wide": (800,), "deep": (512,) * 5}
PUBLISHED = {
    "mnist_small": {"backprop": 0.978, "decolle": 0.957, "ottt": 0.932, "eprop": 0.9783},
    "fashion_wide": {"backprop": 0.837, "decolle": 0.801, "ottt": 0.807, "eprop": 0.8550},
}


def _dense(name, title, dataset, units):
    sizes = f"784-{'5x512' if len(units) == 5 else units[0]}-10"
    source = NEUROTRAIN.format(exception=RECURRENT) if name in PUBLISHED else ""
    arguments = {"units": units, "timesteps": 4}
    return Table(f"{title}, {sizes}", dataset, "SpikingMLP", arguments, PUBLISHED.get(name, {}), source)


def _forecast(title, dataset):
    return Table(title, dataset, FORECASTER, {"units": (128, 128), "delays": 24, "timesteps": 4})


TABLES = {
    "digits": Table("Digits, 64-64-10", "digits", "SpikingMLP", {"units": (64,), "timesteps": 4}),
    **{
        f"{short}_{shape}": _dense(f"{short}_{shape}", title, dataset, units)
        for short, title, dataset in (
            ("mnist", "MNIST", "mnist"),
            ("fashion", "Fashion-MNIST", "fashion_mnist"),
        )
        for shape, units in SHAPES.items()
    },
    "cifar10_conv": Table(
        "CIFAR-10, five convolutional stages",
        "cifar10",
        "SpikingConvNet",
        {"filters": (32, 64, 128, 128, 128), "pool_sizes": (1, 2, 2, 2, 1), "timesteps": 4},
    ),
    "cifar10_skips": Table(
        "CIFAR-10, five convolutional stages with dense skips",
        "cifar10",
        "SpikingConvNet",
        {
            "filters": (32, 64, 128, 256, 256),
            "pool_sizes": (1, 2, 2, 2, 1),
            "skips": "dense",
            "timesteps": 4,
        },
    ),
    "mackey_glass": _forecast("Mackey-Glass series, 48 elements to 6, recurrent 2x128", "mackey_glass"),
    "etth1": _forecast("ETTh1, 48 elements to 6, recurrent 2x128", "etth1"),
}
WINDOW, HORIZON = 48, 6
