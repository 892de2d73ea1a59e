"""Functions with a custom gradient, defined once for every backend."""

from keras import ops


def custom_gradient(forward, backward):
    """Return a function with the value `forward(*inputs)` and the gradients `backward(upstream, *inputs)`.

    Args:
        forward: function of tensors that returns one tensor.
        backward: function of the gradient by that tensor and of the inputs that returns the inputs' gradients.
    """

    @ops.custom_gradient
    def function(*inputs):
        # TensorFlow and JAX pass the upstream gradient alone, PyTorch the inputs as well.
        def gradient(*args, upstream=None):
            return backward(args[0] if upstream is None else upstream, *inputs)

        return forward(*inputs), gradient

    return function


# Return `tensor`, and pass its gradient on to both.
with_gradient_of_both = custom_gradient(
    forward=lambda tensor, other: tensor,
    backward=lambda upstream, tensor, other: (upstream, upstream),
)

# Return `value`, and pass its gradient on to `tensor`.
with_value = custom_gradient(
    forward=lambda tensor, value: value,
    backward=lambda upstream, tensor, value: (upstream, ops.zeros_like(upstream)),
)
