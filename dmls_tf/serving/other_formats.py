"""A network as one ONNX or LiteRT file, for runtimes other than TensorFlow's.

    write_file(model, "camvid.onnx", (360, 480))

Both take `images`, float32 `[1, h, w, 3]`, 0..255, and return `labels`, int32 `[1, h, w]`, and
`logits`, float32 `[1, h, w, N]`. They hold standard operations only. Neither converter reports
reliably what it could not convert, so each file is run once and compared before it is kept.
"""

import numpy as np
import tensorflow as tf

from dmls_tf.errors import UserError
from dmls_tf.files import local_path, make_directory, replacing, writing
from dmls_tf.models import with_settings

OPSET = 18  # of ONNX
SAME_LABELS = 0.999  # share of pixels; logits that tie may fall either way


def write_file(model, path, size):
    """Writes a network as a file, which its runtime has run once.

    Args:
        model: a `DMLS` that computes in float32.
        path: ends in .onnx or .tflite.
        size: (height, width) of the images.

    Returns:
        Share of the pixels of a test image whose label is TensorFlow's.

    Raises:
        UserError: another suffix, a missing package, a path that cannot be written, or a file whose
            labels differ.
    """
    path = local_path(path)
    if path.suffix not in FORMATS:
        raise UserError(f"{path}: must end in {' or '.join(FORMATS)}")
    make_directory(path.parent)  # before minutes of work
    convert, run = FORMATS[path.suffix]
    images = _test_image(size)
    try:
        content = convert(model, size)
        found = run(content, images)["labels"]
    except ImportError as error:
        raise UserError(f'{error.name} is missing: pip install -e ".[formats]"') from error
    same = float(np.mean(found == _segment(model)(images)["labels"]))
    if same < SAME_LABELS:
        raise UserError(f"{path}: not written, {1 - same:.1%} of its labels are not TensorFlow's")
    with writing(path), replacing(path) as temporary:
        temporary.write_bytes(content)
    return same


def to_onnx(model, size):
    """The content of an ONNX file; see `write_file`."""
    import tf2onnx

    content, _ = tf2onnx.convert.from_function(
        _graph(model, size),
        _signature(size),
        opset=OPSET,
        custom_op_handlers={"ResizeBilinear": (_resize_bilinear, [])},
    )
    return content.SerializeToString()


def to_litert(model, size):
    """The content of a LiteRT (`.tflite`) file; see `write_file`."""
    function = _graph(model, size).get_concrete_function()
    holder = tf.Module()
    holder.held = list(function.variables)  # with a Keras model as holder the weights are lost
    return tf.lite.TFLiteConverter.from_concrete_functions([function], holder).convert()


def run_onnx(content, images):
    """{"labels", "logits"} of images, by onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": images}), strict=True))


def run_litert(content, images):
    """{"labels", "logits"} of images, by LiteRT's interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(model_content=content).get_signature_runner()(images=images)


FORMATS = {".onnx": (to_onnx, run_onnx), ".tflite": (to_litert, run_litert)}


def _signature(size):
    return [tf.TensorSpec([1, *size, 3], tf.float32, name="images")]


def _portable(model):
    """A copy whose level sets keep to operations that both formats have."""
    model = with_settings(model)
    for layer in (model.level_set, model.prior_level_set):
        if layer:
            layer.portable = True
    return model


def _graph(model, size):
    function = _segment(_portable(model))
    return tf.function(function, autograph=False, input_signature=_signature(size))


def _segment(model):
    def segment(images):
        logits = model(images, training=False)[model.final_output]
        return {"labels": tf.argmax(logits, axis=-1, output_type=tf.int32), "logits": logits}

    return segment


def _test_image(size):
    """Blurred noise, float32 `[1, h, w, 3]`."""
    noise = np.random.default_rng(0).uniform(0, 255, (1, 9, 12, 3))
    return tf.image.resize(noise, size).numpy()


def _resize_bilinear(graph, node, name, args):
    """A Resize to the size itself; tf2onnx writes a float32 factor, which may lose a pixel."""
    batch, _, _, channels = graph.get_shape(node.input[0])
    sizes = np.array([batch, channels, *node.inputs[1].get_tensor_value()], np.int64)
    sizes = graph.make_const(f"{name}/sizes", sizes).output[0]
    maps = graph.make_node("Transpose", [node.input[0]], {"perm": [0, 3, 1, 2]}).output[0]
    settings = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    resized = graph.make_node("Resize", [maps, "", "", sizes], settings).output[0]
    result = {"shapes": node.output_shapes, "dtypes": node.output_dtypes, "outputs": node.output}
    graph.remove_node(name)
    graph.make_node("Transpose", [resized], {"perm": [0, 2, 3, 1]}, name=name, **result)
