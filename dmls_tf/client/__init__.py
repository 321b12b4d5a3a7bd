"""An exported model, asked for segmentations: in this process or behind a server.

Each of `saved_model`, `rest` and `grpc` connects to a model and gives a function

    ask(signature, input name, [bytes, ...]) -> {output name: values}

around which `segmentation` is the same for all.
"""
