"""Measures how far contours would have to travel to mend a coarse segmentation.

.venv/bin/python -m benchmarks.reach --model=runs/camvid/model.keras --records_dir=records/camvid

Of the pixels that an output labels wrongly in a split, the share from which the nearest pixel
that it gives their true class lies within a distance: so far the contour of that class would have
to travel. The rest are pixels of classes that it finds nowhere in the image, which no contour
reaches. Distances are in pixels of the image at the model's working size. Needs SciPy.
"""

import numpy as np
from scipy import ndimage

from benchmarks.options import run
from benchmarks.timing import table

DISTANCES = (1, 2, 4, 8, 16, 32, 64)


def main(model: str, records_dir: str, split: str = "val"):
    from dmls_tf.config import InferenceConfig
    from dmls_tf.evaluation.scoring import model_predictor
    from dmls_tf.models import load_dmls
    from dmls_tf.records.reading import read_split

    network = load_dmls(model)
    config = InferenceConfig().sized_for(network.metadata)
    predict = model_predictor([network], records_dir, config)
    distances = {}
    for example in read_split(records_dir, split).as_numpy_iterator():
        label = example["label"]
        for output, found in predict(example).items():
            travelled = distances_to_travel(found, label, network.config.num_classes)
            height = config.working_size[0] if config.working_size else len(label)
            distances.setdefault(output.name, []).append(travelled * height / len(label))
    rows = []
    for name, parts in distances.items():
        travelled = np.concatenate(parts)
        shares = [100 * np.mean(travelled <= distance) for distance in DISTANCES]
        rows.append((name, [*shares, 100 * np.mean(np.isfinite(travelled))]))
    columns = [f"{distance} px" for distance in DISTANCES]
    table("Wrong pixels that a contour would reach, %", [*columns, "any"], rows)


def distances_to_travel(found, label, num_classes):
    """Of each wrong pixel to the nearest pixel that is found to be of its class, or inf."""
    wrong = (label < num_classes) & (found != label)
    distance = np.full(label.shape, np.inf)
    for index in np.unique(label[wrong]):
        if np.any(found == index):
            mine = wrong & (label == index)
            distance[mine] = ndimage.distance_transform_edt(found != index)[mine]
    return distance[wrong]


if __name__ == "__main__":
    run(main)
