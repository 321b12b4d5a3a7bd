"""A SavedModel for TF Serving: complete, loaded and run in a clean process, or not there at all."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import tempfile

import keras
import tensorflow as tf

import dmls_tf
from dmls_tf.config import MIN_SIDE
from dmls_tf.errors import UserError
from dmls_tf.files import (
    as_path,
    flush_to_disk,
    is_local,
    make_directory,
    remove_tree,
    upload_tree,
    writing,
)
from dmls_tf.serving.acceptance import Unservable, accept
from dmls_tf.serving.layout import CARD_FILE, WARM_UP_FILE, versions
from dmls_tf.serving.networks import with_constants, with_variables
from dmls_tf.serving.signatures import make_signatures
from dmls_tf.serving.warm_up import read_warm_up, warm_up_requests, write_warm_up


def export(model, export_dir, config, version=None, scores=None):
    """Writes `EXPORT_DIR/<version>/`.

    Its signatures are those of `dmls_tf.serving.signatures`; `assets.extra/` has the model card
    and the warm-up requests. The version appears at once, after a process without this package has
    loaded it with TensorFlow and answered the requests; TF Serving itself is not run. In an object
    store its files appear one by one, `saved_model.pb` last: a server that loads it before finds
    no graph and tries again.

    Args:
        model: a `DMLS`.
        export_dir: the model's base path in TF Serving.
        config: a `ServingConfig`.
        version: a positive integer; if left out, one more than the highest there.
        scores: of the model, JSON types, for its card.

    Returns:
        The path of the version.

    Raises:
        UserError: the version exists, the directory cannot be written, or the model fails that
            check.
    """
    base = as_path(export_dir)
    version = version or 1 + max(versions(base), default=0)
    target = base / str(version)
    if target.exists():
        raise UserError(f"{target}: exists; choose another --version")
    make_directory(base)
    with _partial(target) as partial:
        with writing(base):
            requests = _write(model, partial, config, model_card(model, config, scores))
        try:
            accept(partial, requests)
        except Unservable as error:
            raise UserError(f"not exported, the model cannot be served: {error}") from error
        with writing(target):
            _publish(partial, target)
    return target


@contextlib.contextmanager
def _partial(target):
    """A local directory for a version that is not finished; TF Serving looks at numbers only."""
    if not is_local(target):
        with tempfile.TemporaryDirectory() as directory:
            yield pathlib.Path(directory, target.name)
        return
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _publish(partial, target):
    """Makes a finished version appear: by a rename, or in a store by uploading its graph last."""
    if is_local(target):
        for path in (*partial.rglob("*"), partial):
            flush_to_disk(path)
        partial.rename(target)
        return
    try:
        upload_tree(partial, target, last="saved_model.pb")
    except OSError:
        with contextlib.suppress(OSError):
            remove_tree(target)
        raise


def model_card(model, config, scores=None):
    """The description of a model that is served with it, {field: JSON types}; see `export`."""
    metadata = model.metadata
    return {
        "description": "Labels every pixel of an image by one of the classes; ids are their order.",
        "classes": metadata["classes"],
        "palette": metadata["palette"],
        "trained_on": metadata.get("dataset"),
        "scores": scores,
        "recurrent_steps": model.config.recurrent_steps,
        "min_side": max(MIN_SIDE, model.config.min_side),
        "parameters": model.count_params(),
        "network": dataclasses.asdict(model.config),
        "serving": dataclasses.asdict(config),
        "software": {
            "dmls_tf": dmls_tf.__version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
        },
    }


def _write(model, directory, config, card):
    """Writes all files of a version; returns its warm-up requests, as a server will read them."""
    module = tf.Module()
    if config.optimize == "none":
        module.network_variables = [variable.value for variable in model.variables]
        network = with_variables(model)
    else:
        network = with_constants(model, config.optimize)
    signatures = {
        name: tf.function(function, autograph=False, input_signature=[specification])
        for name, (function, specification) in make_signatures(network, card, config).items()
    }
    tf.saved_model.save(module, str(directory), signatures)
    path = directory / CARD_FILE
    path.parent.mkdir()
    path.write_text(json.dumps(card, indent=1) + "\n")
    requests = warm_up_requests(config)
    if not config.warm_up:
        return requests
    write_warm_up(directory / WARM_UP_FILE, requests)
    return read_warm_up(directory / WARM_UP_FILE)
