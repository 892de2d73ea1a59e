"""A function with a gradient of its own, from one definition for every backend."""

from keras import ops


def custom_gradient(forward, backward):
    """Return a function that gives `forward(*inputs)` and whose gradients are `backward(upstream, *inputs)`.

    Args:
        forward: function of tensors, giving one.
        backward: function of the gradient by that one and of the inputs, giving theirs.
    """

    @ops.custom_gradient
    def function(*inputs):
        # TensorFlow and JAX hand over the upstream gradient alone, PyTorch the inputs as well.
        def gradient(*args, upstream=None):
            return backward(args[0] if upstream is None else upstream, *inputs)

        return forward(*inputs), gradient

    return function
