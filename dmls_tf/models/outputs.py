"""What a step of the network returns, and the names of a model's outputs."""

from typing import Any, NamedTuple


class StepOutputs(NamedTuple):
    """What one step returns: float32 logits `[B, h, w, N]`.

    Attributes:
        coarse: S.
        likelihood: log f, at the resolution of the level sets; None without.
        evolved: the logits of P, there; None without.
    """

    coarse: Any
    likelihood: Any = None
    evolved: Any = None


class Output(NamedTuple):
    """One output of a model: a field of `StepOutputs` and the step k = 1..K.

    What does not come from a step, such as predictions in files, has a kind only.

    >>> Output("coarse", 1).name
    'coarse_1'
    """

    kind: str
    step: int | None = None

    @property
    def name(self):
        """Its key in the dict that a `DMLS` returns, and in files."""
        return self.kind if self.step is None else f"{self.kind}_{self.step}"
