"""Settings, each declared once: a dataclass field with its type, default, meaning and rule.

    @dataclasses.dataclass(frozen=True)
    class Oven(Settings):
        loaves: int = setting(10, "Loaves per hour.", POSITIVE)

A `Settings` object checks its fields when it is made. `dmls_tf.command_line` derives one flag from
each field, so a new setting is one line and its use.
"""

import contextlib
import dataclasses
import types
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

from dmls_tf.errors import UserError

NONE = "none"  # the word for None on a command line


class Rule(NamedTuple):
    """What the values of a setting must be: words for it, and the test."""

    text: str
    holds: Callable[[Any], bool]


POSITIVE = Rule("positive", lambda value: value > 0)
NOT_NEGATIVE = Rule("at least 0", lambda value: value >= 0)
SHARE = Rule("from 0 to 1", lambda value: 0 <= value <= 1)
SHARE_BELOW_1 = Rule("at least 0 and below 1", lambda value: 0 <= value < 1)
PATH = Rule("a path", bool)
SIZE = Rule("height,width, both positive", lambda size: all(side > 0 for side in size))


def one_of(*choices: Any) -> Rule:
    """A rule that allows these values only."""
    *first, last = map(str, choices)
    return Rule(f"{', '.join(first)} or {last}", lambda value: value in choices)


def from_to(lowest: float, highest: float) -> Rule:
    """A rule that allows the numbers of a closed interval."""
    return Rule(f"from {lowest} to {highest}", lambda value: lowest <= value <= highest)


def setting(default: Any, help: str, rule: Rule | None = None, flag: bool = True) -> Any:
    """A field of a `Settings` class.

    Args:
        default: its default value, which may be another `Settings` object.
        help: what it means, a sentence with its unit.
        rule: what its values must be; None for all values of the type.
        flag: False for a field that commands compute and users do not set.
    """
    return dataclasses.field(default=default, metadata={"help": help, "rule": rule, "flag": flag})


def required(help: str, rule: Rule | None = None, flag: bool = True) -> Any:
    """A field without default; see `setting`."""
    return setting(dataclasses.MISSING, help, rule, flag)


class Settings:
    """Base class of frozen dataclasses whose fields are `setting(...)`.

    Raises:
        UserError: when made with a value of another type, or one that breaks a rule; names the
            field, the rule and the value.
    """

    def __post_init__(self) -> None:
        for field, kind in typed_fields(self):
            check(field, kind, getattr(self, field.name))


def typed_fields(settings: Any) -> list[tuple[dataclasses.Field, Any]]:
    """Each field of a `Settings` class or object, and its type."""
    owner = settings if isinstance(settings, type) else type(settings)
    kinds = typing.get_type_hints(owner)
    return [(field, kinds[field.name]) for field in dataclasses.fields(owner)]


def nested_in(kind: Any) -> type | None:
    """The `Settings` class in a type such as `LevelSetConfig | None`, None if there is none."""
    for option in _options(kind):
        if isinstance(option, type) and issubclass(option, Settings):
            return option
    return None


def check(field: dataclasses.Field, kind: Any, value: Any) -> None:
    """Raises a `UserError` if a value is not one that a field may have."""
    if value is None and type(None) in _options(kind):
        return
    rule = field.metadata["rule"]
    if not any(_is_a(option, value) for option in _options(kind)):
        _fail(field.name, words_for_type(field, kind), value)
    if rule and not rule.holds(value):
        _fail(field.name, rule.text, value)


def _fail(name: str, rule: str, value: Any) -> None:
    raise UserError(f"{name} must be {rule}, got {value!r}")


def replace(settings: Any, **changes: Any) -> Any:
    """`dataclasses.replace` that also finds the fields of nested settings.

    >>> from dmls_tf.config import ModelConfig
    >>> replace(ModelConfig(num_classes=3), recurrent_steps=2, dt=0.5).level_set.dt
    0.5
    """
    own = {field.name for field in dataclasses.fields(settings)}
    outer = {name: value for name, value in changes.items() if name in own}
    inner = {name: value for name, value in changes.items() if name not in own}
    for field in dataclasses.fields(settings):
        value = outer.get(field.name, getattr(settings, field.name))
        if inner and isinstance(value, Settings):
            outer[field.name], inner = replace(value, **inner), {}
    if inner:
        raise UserError(f"{', '.join(inner)}: not a setting of this {type(settings).__name__}")
    return dataclasses.replace(settings, **outer)


def overrides_of(settings_class: type, *names: str) -> type:
    """A `Settings` class of fields of another one, nested ones included, all None by default."""
    fields = []
    for name in names:
        kind, field = _found(settings_class, name)
        help = f"Instead of the trained model's. {field.metadata['help']}"
        fields.append((name, kind | None, setting(None, help, field.metadata["rule"])))
    return dataclasses.make_dataclass("Overrides", fields, bases=(Settings,), frozen=True)


def given(overrides: Any) -> dict[str, Any]:
    """{name: value} of the fields that are not None."""
    return {name: value for name, value in vars(overrides).items() if value is not None}


def _found(settings_class: type, name: str) -> tuple[Any, dataclasses.Field]:
    """Type and field of a name, in the class or in the settings nested in it."""
    for field, kind in typed_fields(settings_class):
        if field.name == name:
            return kind, field
        if nested := nested_in(kind):
            with contextlib.suppress(KeyError):
                return _found(nested, name)
    raise KeyError(name)


def parse(kind: Any, text: str) -> Any:
    """The value of a type that a text stands for.

    Raises:
        ValueError: there is none.

    >>> parse(tuple[int, int] | None, "360,480"), parse(float, "1e-3"), parse(int | None, "none")
    ((360, 480), 0.001, None)
    """
    if text == NONE and type(None) in _options(kind):
        return None
    for option in _options(kind):
        try:
            if option is bool:
                return {"true": True, "false": False}[text.lower()]
            if typing.get_origin(option) is not tuple:
                return option(text)
            element, *others = typing.get_args(option)
            values = tuple(element(word.strip()) for word in text.split(",") if word.strip())
            if others == [...] or len(values) == 1 + len(others):
                return values
        except (ValueError, TypeError, KeyError):  # TypeError: of NoneType
            continue
    raise ValueError(text)


def as_text(value: Any) -> str:
    """The text from which `parse` makes a value."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return NONE if value is None else str(value)


def words_for_type(field: dataclasses.Field, kind: Any) -> str:
    """What a value must be that has not even the type of its field."""
    rule = field.metadata["rule"]
    is_number = not {int, float}.isdisjoint(_options(kind))
    return words_for(kind) if is_number or not rule else rule.text


def words_for(kind: Any) -> str:
    """What a text must be to stand for a value of a type."""
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    words = []
    for option in _options(kind):
        if typing.get_origin(option) is tuple:
            element, *others = typing.get_args(option)
            some = {int: "whole numbers", float: "numbers"}.get(element, "words")
            words.append(f"{some}, a,b,..." if others == [...] else f"two {some}, a,b")
        else:
            words.append(names.get(option, NONE if option is type(None) else option.__name__))
    return " or ".join(words)


def _options(kind: Any) -> tuple[Any, ...]:
    is_union = isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union
    return typing.get_args(kind) if is_union else (kind,)


def _is_a(kind: Any, value: Any) -> bool:
    if typing.get_origin(kind) is tuple:
        element, *others = typing.get_args(kind)
        fits = others == [...] or (isinstance(value, tuple) and len(value) == 1 + len(others))
        return fits and isinstance(value, tuple) and all(_is_a(element, one) for one in value)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)
