"""Whether TF Serving will serve a model: checked in its loader before anyone sees the model."""

import pathlib

from tensorflow.core.protobuf import saved_model_pb2

from dmls_tf.serving.bare_runtime import BareRuntime, Ended, Failure, Request

XLA = "_XlaMustCompile"  # attribute that `jit_compile` leaves on operations and functions


class Unservable(RuntimeError):  # noqa: N818
    """The model would not be served; says why."""


def accept(directory, requests):
    """Checks a SavedModel, in a process that has only what a stock server has.

    - Each of its operations has a kernel there, and none demands XLA.
    - The model loads and answers the requests.

    Args:
        directory: of a version.
        requests: [(signature, input name, array)].

    Raises:
        Unservable: something does not hold.
    """
    graph = read_graph(directory)
    operations, attributes = _contents(graph.graph_def)
    if XLA in attributes:
        raise Unservable("it has a function with jit_compile, which a server on CPUs refuses")
    runs = [as_run(graph.signature_def[name], key, value) for name, key, value in requests]
    with BareRuntime(directory) as runtime:
        if missing := runtime.missing(operations):
            raise Unservable(f"TF Serving lacks its operations {', '.join(sorted(missing))}")
        try:
            answers = runtime.run(runs)
        except Ended as error:
            raise Unservable(f"its loader says {error}") from error
    for (name, *_), answer in zip(requests, answers, strict=True):
        if isinstance(answer, Failure):
            raise Unservable(f"signature {name}: {answer.message}")


def read_graph(directory):
    """The MetaGraphDef of a SavedModel."""
    content = (pathlib.Path(directory) / "saved_model.pb").read_bytes()
    (graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    return graph


def as_run(signature, key, value):
    """The run of a graph that answers a request: all outputs, in the order of their names."""
    outputs = [signature.outputs[name].name for name in sorted(signature.outputs)]
    return Request({signature.inputs[key].name: value}, outputs)


def _contents(graph_def):
    """Names of all operations of a graph and of its functions, and of their attributes."""
    nodes = list(graph_def.node)
    attributes = set()
    for function in graph_def.library.function:
        nodes += function.node_def
        attributes |= {name for name, value in function.attr.items() if value.b}
    functions = {function.signature.name for function in graph_def.library.function}
    for node in nodes:
        attributes |= {name for name, value in node.attr.items() if value.b}
    return {node.op for node in nodes} - functions, attributes
