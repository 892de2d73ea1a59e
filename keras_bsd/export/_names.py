"""Short names within ONNX files, where the converter's own ones can outweigh the weights."""

import itertools


def shorten_names(proto):
    """Rename the inner tensors of an ONNX model to numbers, and its nodes to their stage and a number."""
    graph = proto.graph
    names = {value.name: value.name for value in [*graph.input, *graph.output]} | {"": ""}
    fixed, counts = set(names), itertools.count()
    numbers = (str(n) for n in itertools.count() if str(n) not in fixed)

    def short(name):
        if name not in names:
            names[name] = next(numbers)
        return names[name]

    del graph.value_info[:]  # runtimes infer the shapes of inner tensors
    _rename(graph, short, counts)


def _rename(graph, short, counts):
    for value in [*graph.initializer, *graph.value_info, *graph.input, *graph.output]:
        value.name = short(value.name)
    for node in graph.node:
        node.input[:] = map(short, node.input)
        node.output[:] = map(short, node.output)
        node.name = f"{node.name.split('/')[0]}/{next(counts)}"
        for attribute in node.attribute:
            for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                _rename(inner, short, counts)
