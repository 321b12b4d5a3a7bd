"""The name that signatures give to arrays."""

from typing import Any

Tensor = Any  # of any backend, or what it takes for a tensor: they share no static type
