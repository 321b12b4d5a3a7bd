"""Trains a DMLS network.

    python scripts/train.py --flagfile=configs/camvid_cpu.flags \\
        --records_dir=records/camvid --work_dir=runs/camvid

Flags after the flag file override it. WORK_DIR receives `model.keras`, `resolved.flags`,
checkpoints, `log.csv` and TensorBoard logs. After a stop or a crash, rerun the same command to
resume from the last checkpoint; after the end, rerun it with more --epochs to train on. Several
machines: the same command on each, with TF_CONFIG set.
"""

import dataclasses

from dmls_tf import command_line
from dmls_tf.config import DataConfig, ModelConfig, TrainConfig
from dmls_tf.datasets import DatasetInfo, doubts
from dmls_tf.files import as_path, replacing
from dmls_tf.settings import POSITIVE, Settings, one_of, required, setting


@dataclasses.dataclass(frozen=True)
class Options(Settings):
    records_dir: str = required("Directory with dataset.json.")
    work_dir: str = required("Where the trained model goes.")
    train_split: str = setting("train", "Split to learn from; train+val for several.")
    val_split: str = setting("val", "Split that chooses the best epoch.")
    overwrite: bool = setting(False, "Remove the training in WORK_DIR and start anew.")
    batch_per_replica: int = setting(1, "Images per replica, step and accumulated part.", POSITIVE)
    strategy: str = setting(
        "auto",
        "auto: several machines if TF_CONFIG is set, else all GPUs.",
        one_of("auto", "one_device", "mirrored", "multi_worker"),
    )
    stages: tuple[str, ...] = setting(
        (),
        "NAME:EPOCHS[:RATE],... instead of --epochs: coarse (no level set), likelihood (only "
        "that), joint (everything); RATE times --learning_rate.",
    )


def main(options):
    from dmls_tf.training.stages import parse_stages, train_stages
    from dmls_tf.training.strategy import barrier, is_chief, make_strategy
    from dmls_tf.training.trainer import train
    from dmls_tf.training.work_dir import MODEL_FILE, clear

    work_dir = as_path(options.work_dir)
    info = DatasetInfo.load(options.records_dir)
    strategy = make_strategy(options.strategy)
    training = command_line.make(TrainConfig)
    parts = training.accumulate * strategy.num_replicas_in_sync
    configs = (
        command_line.make(ModelConfig, num_classes=info.num_classes),
        command_line.make(DataConfig, batch_size=options.batch_per_replica * parts),
        training,
    )
    stages = parse_stages(options.stages)
    if options.overwrite and is_chief(strategy):
        clear(work_dir)
    barrier(strategy)
    before = modified(work_dir / MODEL_FILE)
    splits = (options.train_split, options.val_split)
    if is_chief(strategy):
        command_line.warn(*(doubt for split in splits for doubt in doubts(info, split)))
        if both := set(options.train_split.split("+")) & set(options.val_split.split("+")):
            command_line.warn(f"{', '.join(sorted(both))} is learned from and validated on, too")
    if stages:
        path = train_stages(stages, options.records_dir, splits, configs, work_dir, strategy)
    else:
        path = train(options.records_dir, splits, configs, work_dir, strategy)
    if is_chief(strategy):
        again = dataclasses.replace(options, overwrite=False)  # or it would remove this training
        lines = command_line.flag_lines(again, *configs)
        with replacing(work_dir / "resolved.flags") as file:
            file.write_text("\n".join(lines) + "\n")
        print(f"{path}: is trained already" if modified(path) == before else f"wrote {path}")


def modified(path):
    """When a file was written; None if there is none."""
    return path.stat().st_mtime_ns if path.exists() else None


if __name__ == "__main__":
    command_line.run(main, Options, also=[ModelConfig, DataConfig, TrainConfig])
