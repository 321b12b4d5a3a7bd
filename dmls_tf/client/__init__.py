"""Segmentations from an exported model, in this process or behind a server.

Each of `saved_model`, `rest` and `grpc` connects to a model and returns a function

    ask(signature, input name, [bytes, ...]) -> {output name: values}

which `segmentation` takes. Only `saved_model` and `grpc` need TensorFlow.
"""
