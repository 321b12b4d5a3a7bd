"""Writes a trained network as one ONNX or LiteRT file, for images of one size.

    python scripts/export_file.py --model=runs/camvid/model.keras --output=camvid.onnx
    python scripts/export_file.py --model=runs/camvid/model.keras --output=camvid.tflite

The file is run once by onnxruntime or LiteRT, and kept only if it labels as the network does.
"""

import export_flags
import network_flags
from absl import flags

from dmls_tf import command_line

FLAGS = flags.FLAGS

flags.DEFINE_string("output", None, "Ends in .onnx or .tflite.", required=True)
export_flags.define()


def main():
    from dmls_tf.serving.other_formats import write_file

    model = network_flags.load_model()
    same = write_file(model, FLAGS.output, export_flags.working_size(model))
    print(f"wrote {FLAGS.output}; {same:.2%} of a test image's pixels are labelled alike")


if __name__ == "__main__":
    command_line.run(main)
