"""Loads a SavedModel and answers requests, in a process that has TensorFlow but not this package.

    python dmls_tf/serving/clean_process.py DIRECTORY < REQUESTS

REQUESTS is a pickled list of (signature, input name, array). The exit status is 0 if all hold:

- no operation runs Python, each has a kernel in stock TensorFlow, and none demands XLA;
- `tf.saved_model.load` loads the model, and its signatures answer the requests.

Otherwise the last line on stderr is the reason. `acceptance.py` starts this file as a program.
"""

import pathlib
import pickle
import re
import sys

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import kernels

PYTHON_OPERATIONS = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
XLA = "_XlaMustCompile"  # attribute that `jit_compile` leaves on operations and functions


def main(directory, requests):
    refuse_operations(directory)
    try:
        signatures = tf.saved_model.load(directory).signatures
    except Exception as error:
        sys.exit(f"TensorFlow does not load it: {one_line(error)}")
    for name, key, value in requests:
        try:
            signatures[name](**{key: tf.constant(value)})
        except Exception as error:
            sys.exit(f"signature {name}: {one_line(error)}")


def refuse_operations(directory):
    """Exits if a SavedModel has an operation that a stock server on a CPU lacks."""
    content = (pathlib.Path(directory) / "saved_model.pb").read_bytes()
    (graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    operations, attributes = contents(graph.graph_def)
    if XLA in attributes:
        sys.exit("it has a function with jit_compile, which a server on CPUs refuses")
    if found := operations & PYTHON_OPERATIONS:
        sys.exit(f"it runs Python, by its operations {', '.join(sorted(found))}")
    missing = {
        name for name in operations if not kernels.get_registered_kernels_for_op(name).kernel
    }
    if missing:
        sys.exit(f"stock TensorFlow lacks its operations {', '.join(sorted(missing))}")


def contents(graph_def):
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


def one_line(error):
    """The message of an error of TensorFlow, without stack traces and names of graph nodes."""
    message = getattr(error, "message", None) or str(error) or type(error).__name__
    message, node, _ = message.partition("\n\t [[")
    message = re.sub(r"\{\{.*?\}\} *", "", message).strip()
    return message.splitlines()[-1 if node else 0]


if __name__ == "__main__":
    sys.modules["dmls_tf"] = None  # type: ignore[assignment]  # importing it fails
    main(sys.argv[1], pickle.load(sys.stdin.buffer))
