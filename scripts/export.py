"""Exports a trained model for TF Serving: `EXPORT_DIR/<version>/`, encoded images in, masks out.

    python scripts/export.py --model=runs/camvid/model.keras --export_dir=exports/camvid

Before the version appears, a process without this package has loaded it and answered its warm-up
requests. See `docs/serving.md` for the signatures, the server and its clients.
"""

import dataclasses
import json

import trained_model

from dmls_tf import command_line
from dmls_tf.config import ServingConfig
from dmls_tf.errors import UserError
from dmls_tf.files import as_path
from dmls_tf.settings import POSITIVE, Settings, required, setting


@dataclasses.dataclass(frozen=True)
class Options(Settings):
    model: str = required("A trained model.keras.")
    export_dir: str = required("The model's base path in TF Serving.")
    version: int | None = setting(None, "None: one more than the highest there.", POSITIVE)
    metrics: str | None = setting(None, "evaluate.py's metrics.json, for the model card.")


def main(options):
    from dmls_tf.serving.export import export

    scores = read_scores(options.metrics) if options.metrics else None
    model = trained_model.load(options.model)
    config = command_line.make(ServingConfig).sized_for(model.metadata)
    target = export(model, options.export_dir, config, options.version, scores)
    print(f"wrote {target}")


def read_scores(path):
    """What a model card says of an evaluation."""
    try:
        metrics = json.loads(as_path(path).read_text())
        names = ("dataset", "split", "images", "pixel_accuracy", "mean_iou")
        return {name: metrics[name] for name in names}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not the metrics.json of evaluate.py") from error


if __name__ == "__main__":
    command_line.run(main, Options, also=[ServingConfig, trained_model.Overrides])
