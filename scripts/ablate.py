"""Trains and scores rows of settings, a study, and draws up the table.

    python scripts/ablate.py --rows=configs/paper.rows --base=configs/study.flags \\
        --records_dir=records/camvid160 --work_dir=runs/study --seeds=0,1 --jobs=2

Each row (see dmls_tf/evaluation/studies.py) is a training by scripts/train.py with the base's flags
and its own, and an evaluation. WORK_DIR receives `results.csv`, `results.md` and `results.png`,
and one directory per training. After Ctrl-C, rerun the same command to resume: a row whose results
are in `results.csv` is done, even where the directory of its training is gone.
"""

import concurrent.futures
import dataclasses
import os
import pathlib
import subprocess
import sys
import threading
import time

from dmls_tf import command_line
from dmls_tf.errors import UserError
from dmls_tf.files import local_path, make_directory, replacing, writing
from dmls_tf.settings import POSITIVE, Rule, Settings, required, setting

SCRIPTS = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Options(Settings):
    rows: str = required("File of rows.")
    base: str = required("Flag file of train.py that all rows share.")
    records_dir: str = required("Directory with dataset.json.")
    work_dir: str = required("Where trainings and results go.")
    val_split: str = setting("val", "Split that is scored.")
    seeds: tuple[int, ...] = setting(
        (0,),
        "Every row is trained with each of them.",
        Rule("whole numbers", lambda seeds: seeds and min(seeds) >= 0),
    )
    jobs: int = setting(1, "Trainings at a time, each on its share of the CPU cores.", POSITIVE)


def main(options):
    from dmls_tf.evaluation import report, studies

    report.check()  # that matplotlib is there, before hours of training
    rows = studies.read_rows(options.rows)
    make_directory(local_path(options.work_dir))
    results = studies.read_results(pathlib.Path(options.work_dir) / "results.csv")
    settings = hashes_of(rows, options)
    check_settings(results, settings, options.work_dir)
    done = {(result["seed"], result["row"]) for result in results}
    todo = [(seed, row) for seed in options.seeds for row in rows if (seed, row.name) not in done]
    tasks = list(dict.fromkeys((seed, row.training) for seed, row in todo))
    faults = 0
    pool = concurrent.futures.ThreadPoolExecutor(
        options.jobs, initializer=take_cores, initargs=(options.jobs,)
    )
    waiting = {
        pool.submit(run, options, rows, settings, seed, training): f"{training} of seed {seed}"
        for seed, training in tasks
    }
    try:
        for future in concurrent.futures.as_completed(waiting):
            fault = future.exception()
            if isinstance(fault, UserError):
                faults += 1
                print(f"{waiting[future]}: {fault}", file=sys.stderr, flush=True)
                continue
            results = studies.merged(results, future.result(), rows)
            write(options, results, settings)
            print(f"{waiting[future]}: done", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)
    if faults:
        raise UserError(f"{faults} of {len(tasks)} trainings failed, see above")
    if not tasks:  # the table and the figure may be missing or of other rows
        write(options, results, settings)
    print((pathlib.Path(options.work_dir) / "results.md").read_text())


def hashes_of(rows, options):
    """A dict from the name of each row to the hash of all its flags."""
    from dmls_tf.evaluation import studies

    try:
        base = command_line.with_flag_files([f"--flagfile={options.base}"])
    except (OSError, UnicodeError) as error:
        raise UserError(f"--base={options.base}: cannot be read: {error}") from error
    return {row.name: studies.settings_hash(row, base, options.val_split) for row in rows}


def check_settings(results, settings, work_dir):
    """Raises a `UserError` if a row has results of other flags than `settings`, {row: hash}."""
    for result in results:
        if settings.get(result["row"], result["settings"]) != result["settings"]:
            raise UserError(
                f"{work_dir}/results.csv: the row {result['row']!r} has results of other flags; "
                "give it another name, or remove its lines and the directory of its training"
            )


def take_cores(jobs):
    """Leaves this thread, and the processes it starts, its share of the CPU cores."""
    cores = sorted(os.sched_getaffinity(0))
    share = int(threading.current_thread().name.rsplit("_", 1)[1])
    os.sched_setaffinity(0, cores[share::jobs] or cores)


def run(options, rows, settings, seed, training):
    """The results of the rows of a training: trains and evaluates what has not been."""
    from dmls_tf.evaluation.studies import results_of

    rows = [row for row in rows if row.training == training]
    directory = pathlib.Path(options.work_dir) / training / f"seed{seed}"
    directory.mkdir(parents=True, exist_ok=True)
    records = f"--records_dir={options.records_dir}"
    model, seconds = directory / "model.keras", directory / "seconds.txt"

    def evaluate(row, *more):
        words = (f"--model={model}", f"--split={options.val_split}", *row.evaluate_flags)
        words += (f"--output_dir={directory / row.directory}", *more)
        call("evaluate", directory / "evaluate.log", records, *words)

    if not model.exists():
        for row in rows:
            evaluate(row, "--only_check_args")  # before hours of training
        start = time.perf_counter()
        words = (f"--flagfile={options.base}", records, *rows[0].train_flags, f"--seed={seed}")
        call("train", directory / "train.log", *words, f"--work_dir={directory}")
        seconds.write_text(f"{time.perf_counter() - start:.0f}\n")
    results = []
    for row in rows:
        metrics = directory / row.directory / "metrics.json"
        if not metrics.exists():
            evaluate(row)
        known = int(seconds.read_text()) if seconds.exists() else None
        results += results_of(row, seed, settings[row.name], metrics, known)
    return results


def call(script, log, *arguments):
    """Runs a script; what it says goes to a log.

    Raises:
        UserError: it failed; what it said of it.
    """
    command = [sys.executable, SCRIPTS / f"{script}.py", *arguments]
    with open(log, "wb") as file:
        done = subprocess.run(command, stdout=file, stderr=file)
    if done.returncode:
        said = [line for line in log.read_text().splitlines() if line.startswith("error: ")]
        reason = said[-1] if said else f"exit code {done.returncode}"
        raise UserError(f"{script}.py failed: {reason} ({log})")


def write(options, results, settings):
    """The results so far, as files: all in results.csv, those of these rows and seeds elsewhere."""
    from dmls_tf.evaluation import studies

    work_dir = pathlib.Path(options.work_dir)
    shown = [r for r in results if r["row"] in settings and r["seed"] in options.seeds]
    with writing(work_dir):
        studies.write_results(results, work_dir / "results.csv")
        with replacing(work_dir / "results.md") as temporary:
            temporary.write_text(studies.markdown(shown) + "\n")
        with replacing(work_dir / "results.png") as temporary:
            temporary.write_bytes(studies.figure(shown))


if __name__ == "__main__":
    command_line.run(main, Options)
