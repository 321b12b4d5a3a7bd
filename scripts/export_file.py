"""Writes a trained network as one ONNX or LiteRT file, for images of one size.

    python scripts/export_file.py --model=runs/camvid/model.keras --output=camvid.onnx
    python scripts/export_file.py --model=runs/camvid/model.keras --output=camvid.tflite

The file is run once by onnxruntime or LiteRT, and kept only if it labels as the network does.
"""

import dataclasses

import trained_model

from dmls_tf import command_line
from dmls_tf.config import FileConfig
from dmls_tf.settings import Settings, required


@dataclasses.dataclass(frozen=True)
class Options(Settings):
    model: str = required("A trained model.keras.")
    output: str = required("Ends in .onnx or .tflite.")


def main(options):
    from dmls_tf.serving.other_formats import write_file

    model = trained_model.load(options.model)
    size = command_line.make(FileConfig).sized_for(model.metadata).image_size
    same = write_file(model, options.output, size)
    print(f"wrote {options.output}; {same:.2%} of a test image's pixels are labelled alike")


if __name__ == "__main__":
    command_line.run(main, Options, also=[FileConfig, trained_model.Overrides])
