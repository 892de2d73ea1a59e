"""Metrics of the stages during training, for the logs."""

import keras
from keras import ops


class StageMonitor(keras.metrics.Metric):
    """Means of values of every stage: one metric whose result is a dict by name.

    Args:
        stages: list of names of the stages.
        metrics: names of the values, such as `"firing_rate"`.
    """

    def __init__(self, stages, metrics, name="stages"):
        super().__init__(name=name)
        self.names = [f"{stage}_{metric}" for metric in metrics for stage in stages]
        # The last entry counts the steps: as an entry of the sum it changes only together with the others.
        self.totals = self.add_variable((len(self.names) + 1,), "zeros", name="totals")

    def update_state(self, values):
        self.totals.assign_add(ops.stack([*values, 1.0]))

    def result(self):
        means = self.totals[:-1] / ops.maximum(self.totals[-1], 1)
        return {name: means[i] for i, name in enumerate(self.names)}
