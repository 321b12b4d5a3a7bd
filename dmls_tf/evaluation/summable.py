"""Counts of images that add up to the counts of a split."""


class Summable:
    """A base of dataclasses: `a + b` adds field by field."""

    def __add__(self, other):
        ours, theirs = vars(self), vars(other)
        return type(self)(**{name: ours[name] + theirs[name] for name in ours})
