"""Flags derived from settings, and settings made of flags: one loop each way.

A field is a flag of the same name; settings that are nested in others are flags beside them, and
those that may be None are also switched by a boolean flag: `--nolevel_set`.
"""

import dataclasses

from absl import flags

from dmls_tf.settings import as_text, nested_in, parse, typed_fields, words_for_type

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # they are those of the command, whose --help lists them

RENAMED = {
    "curvature_mean": "is gone: the mean in eq. 8 is the paper's 1/N",
    "flip": "is now --random_flip in training, --test_time_flip elsewhere",
    "force": "is now --likelihood",
    "head_band": "is now --likelihood_band",
    "head_weight": "is now --likelihood_weight",
    "height": "is now a part of --image_size=height,width (--sample_height in inspect_records.py)",
    "num_steps": "is now --recurrent_steps",
    "score_gradient": "is now --straight_through",
    "score_stride": "is now --decoder_stride",
    "width": "is now --width_multiplier, or a part of --image_size=height,width",
}  # flags of earlier versions


class _Parser(flags.ArgumentParser):
    """Turns the text of a flag into the value of a field."""

    def __init__(self, field, kind):
        self.rule, self.kind = field.metadata["rule"], kind
        self.type_words = words_for_type(field, kind)
        self.syntactic_help = self.rule.text if self.rule else ""

    def parse(self, argument):
        if not isinstance(argument, str):  # the default
            return argument
        try:
            value = parse(self.kind, argument)
        except ValueError:
            raise ValueError(f"must be {self.type_words}") from None
        if value is not None and self.rule and not self.rule.holds(value):
            raise ValueError(f"must be {self.rule.text}")
        return value

    def flag_type(self):
        return str(self.kind)


class _Serializer(flags.ArgumentSerializer):
    def serialize(self, value):
        return as_text(value)


def define(settings_class):
    """Defines a flag for each field of a `Settings` class; returns the names of required ones."""
    required = []
    for field, kind in _flagged(settings_class):
        default, help = field.default, field.metadata["help"]
        if nested := nested_in(kind):
            required += define(nested)
            kind, default = bool, default is not None
        if default is dataclasses.MISSING:
            required.append(field.name)
            default, help = None, f"{help} Required."
        parser = _Parser(field, kind)
        boolean = kind is bool
        flags.DEFINE(parser, field.name, default, help, serializer=_Serializer(), boolean=boolean)
    return required


def make(settings_class, **fields):
    """Settings made of the flags, but for the fields that are given.

    Raises:
        UserError: settings that exclude one another.
    """
    for field, kind in _flagged(settings_class):
        if field.name not in fields:
            value, nested = FLAGS[field.name].value, nested_in(kind)
            fields[field.name] = (make(nested) if value else None) if nested else value
    return settings_class(**fields)


def flag_lines(*several):
    """Settings as the lines of a flag file, of which `make` makes the same settings."""
    lines = []
    for settings in several:
        for field, kind in _flagged(settings):
            value = getattr(settings, field.name)
            if nested_in(kind):
                lines += flag_lines(value) if value else []
                value = value is not None
            if isinstance(value, bool):
                lines.append(f"--{field.name}" if value else f"--no{field.name}")
            elif value is not None or field.default is not None:
                lines.append(f"--{field.name}={as_text(value)}")
    return lines


def _flagged(settings):
    return [pair for pair in typed_fields(settings) if pair[0].metadata["flag"]]
