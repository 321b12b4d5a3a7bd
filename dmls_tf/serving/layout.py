"""Files of an exported model: `BASE/<version>/`, as TF Serving expects them."""

from dmls_tf.files import as_path

CARD_FILE = "assets.extra/model_card.json"
WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"  # the name is TF Serving's


def versions(base):
    """{number: path} of the versions in a model's base path."""
    return {int(path.name): path for path in as_path(base).glob("*") if path.name.isdigit()}


def version_of(directory):
    """The highest version in a model's base path, or the directory itself."""
    found = versions(directory)
    return found[max(found)] if found else as_path(directory)
