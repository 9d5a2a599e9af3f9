"""`OpticalLinear`: a linear layer whose products are read from light, as a layer of PyTorch.

Each product has the noise that a client reads (docs/physics.md):

    y = W·x + ‖x‖·rms(W)/F · n,    n ~ N(0, 1) for every output.

The gradient goes through ‖x‖ and rms(W) too, so a model trains through the light that it will meet.
The noise is there after training as well, since light always has it. While PyTorch exports the
model, it is left out, so that `shotveil.compile` gets the weights.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from shotveil.host.compile.compiled import DEFAULT_BUDGET
from shotveil.host.design.operating_point import Budgets, most_light
from shotveil.host.extras import import_extra
from shotveil.models.common.checks import RangeError, require
from shotveil.models.link.channel import Channel
from shotveil.models.link.encoding import modes_of
from shotveil.models.link.labs import IDEAL
from shotveil.models.link.labs import lab as lab_called
from shotveil.models.networks.network import Layer, Network

_torch = import_extra("torch", "train")


class OpticalLinear(_torch.nn.Linear):  # type: ignore[name-defined]
    """A `torch.nn.Linear` with the noise of light; it takes and gives the same shapes.

    in_features, out_features, bias: As in `torch.nn.Linear`. With a bias, the constant 1 that it
        multiplies counts in ‖x‖.
    f2: F² of the layer, > 0; None takes the most that the budget allows.
    budget: Budget of the layer's leakage; None takes that of `compile`. Not with `f2`.
    lab: Name of a laboratory, or a channel, for the budget.
    more: What else `torch.nn.Linear` takes.

    Raises `RangeError` for a value out of range, an unknown laboratory, a budget that no light
    meets, and for F² with a budget.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        f2: float | None = None,
        budget: Budgets | None = None,
        lab: str | Channel = IDEAL.name,
        **more: Any,
    ) -> None:
        if f2 is not None and budget is not None:
            raise RangeError("f2 is given with a budget; allowed: one of them")
        super().__init__(in_features, out_features, bias, **more)
        if f2 is None:
            f2 = most_f2(out_features, in_features + bias, budget or DEFAULT_BUDGET, lab)
        require("F²", f2, above=0)
        self.f2 = float(f2)

    def forward(self, x: Any) -> Any:
        """Return readings (…, out_features) of inputs (…, in_features)."""
        y = super().forward(x)
        if _torch.compiler.is_exporting():
            return y
        squares = x.square().sum(-1, keepdim=True)
        energy = self.weight.square().sum()
        columns = self.in_features
        if self.bias is not None:
            squares, energy = squares + 1, energy + self.bias.square().sum()
            columns += 1
        rms = (energy / (self.out_features * 2 * modes_of(columns))).sqrt()
        return y + squares.sqrt() * rms / math.sqrt(self.f2) * _torch.randn_like(y)

    def extra_repr(self) -> str:
        """Return the settings as PyTorch prints them."""
        return f"{super().extra_repr()}, f2={self.f2:.4g}"


def most_f2(rows: int, columns: int, budget: Budgets, lab: str | Channel = IDEAL.name) -> float:
    """Return the highest F² that a budget allows a layer of `rows` × `columns` weights.

    Leakage depends on a layer's shape, and not on its weights. Raises `RangeError` as `most_light`.
    """
    channel = lab if isinstance(lab, Channel) else lab_called(lab).channel()
    layer = Layer(np.ones((rows, columns), dtype=np.float32))
    return most_light(Network("layer", (layer,)), channel, budget).f2
