"""Accuracy, memory and time of BSD beside the rules of `keras_bsd.baselines`, on the same networks."""
