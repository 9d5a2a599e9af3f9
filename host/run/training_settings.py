"""The settings of training, which determine its result together with the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shotveil.models.common.checks import RangeError, require


def _setting(default: Any, help: str) -> Any:
    """Return a field with a `help` text, with unit and range, which the command line shows too."""
    return field(default=default, metadata={"help": help})


# Distortions that suit handwritten digits of 28 × 28 pixels.
DIGIT_DISTORTIONS = {"rotation": 10.0, "scale": 0.1, "shear": 0.1, "shift": 1.5, "elastic": 0.5}


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of `train`; each field's `help` explains it.

    The learning rate rises over the first epoch and then falls as a cosine. Rotation, scale, shear
    and shift limit the random affine distortion of each image, and elastic is the size of a smooth
    distortion. bfloat16 is up to three times faster where the processor has it (AVX-512 BF16, AMX);
    its rounding error, 2⁻⁹, is far below the noise of the link. The number of threads decides the
    order of sums, and so the last bits of the result. Raises `RangeError` for a value out of range.
    """

    hidden: tuple[int, ...] = _setting(
        (784,), "Widths of the hidden layers, first to last, with commas between (each 1 or more)."
    )
    f2: float | tuple[float, ...] | None = _setting(
        0.3,
        "Optical signal-to-noise scale F² while training, of every layer, or one for each layer "
        "with commas between (above 0).",
    )
    f2_spread: float = _setting(
        1.0, "Ratio by which F² varies either way from batch to batch (1 or more)."
    )
    bias: bool = _setting(False, "Give every layer a bias in addition to its weights.")
    epochs: int = _setting(30, "Number of passes over the data (1 or more).")
    batch: int = _setting(256, "Number of images in a step (1 or more).")
    learning_rate: float = _setting(8e-3, "Learning rate of Adam at its peak (above 0).")
    validation: float = _setting(
        0.0, "Part of the data that is held out to choose the best epoch by (at least 0, below 1)."
    )
    patience: int = _setting(
        0,
        "Number of epochs without a better one after which training ends; 0 never ends it early "
        "(0 or more).",
    )
    normalise: bool = _setting(
        False, "Bring every input to mean 0 and spread 1; the network carries these numbers."
    )
    weight_decay: float = _setting(0.0, "Decoupled weight decay, as in AdamW (0 or more).")
    dropout: float = _setting(
        0.0, "Fraction of the hidden activations that is dropped (at least 0, below 1)."
    )
    label_smoothing: float = _setting(
        0.0, "Weight of the uniform distribution in the target (at least 0, below 1)."
    )
    rotation: float = _setting(
        0.0, "Largest random rotation of an image, in degrees (from 0 to 180)."
    )
    scale: float = _setting(
        0.0, "Largest random change of an image's size, relative to it (at least 0, below 1)."
    )
    shear: float = _setting(
        0.0, "Largest random shear of an image, as a tangent (at least 0, below 1)."
    )
    shift: float = _setting(0.0, "Largest random shift of an image, in pixels (from 0 to 28).")
    elastic: float = _setting(
        0.0, "Root-mean-square size of a smooth random distortion, in pixels (from 0 to 28)."
    )
    bfloat16: bool = _setting(
        False, "Multiply in bfloat16, which is faster where the processor has it."
    )
    int8: bool = _setting(True, "Round the result so that a weight is kept in one byte.")
    seed: int = _setting(
        1, "Seed of weights, order, distortions and noise; one seed gives one result (0 or more)."
    )
    threads: int = _setting(
        2, "Number of threads of PyTorch, which decides the last bits of the result (1 or more)."
    )

    def __post_init__(self) -> None:
        from shotveil.models.networks.mnist import SIDE

        object.__setattr__(self, "hidden", tuple(self.hidden))
        for width in self.hidden:
            require("hidden width", width, at_least=1, integer=True)
        if isinstance(self.f2, (list, tuple)):
            object.__setattr__(self, "f2", tuple(self.f2))
            require("f2", self.f2, above=0)
            if len(self.f2_of_layers) != len(self.hidden) + 1:
                raise RangeError(
                    f"f2 is given for {len(self.f2_of_layers)} layers; allowed: for "
                    f"{len(self.hidden) + 1}, or one for all"
                )
        elif self.f2 is not None:
            require("f2", self.f2, above=0)
        require("f2_spread", self.f2_spread, at_least=1)
        require("epochs", self.epochs, at_least=1, integer=True)
        require("batch", self.batch, at_least=1, integer=True)
        require("learning_rate", self.learning_rate, above=0)
        require("validation", self.validation, at_least=0, below=1)
        require("patience", self.patience, at_least=0, integer=True)
        require("weight_decay", self.weight_decay, at_least=0)
        require("dropout", self.dropout, at_least=0, below=1)
        require("label_smoothing", self.label_smoothing, at_least=0, below=1)
        require("rotation", self.rotation, at_least=0, at_most=180)
        require("scale", self.scale, at_least=0, below=1)
        require("shear", self.shear, at_least=0, below=1)
        require("shift", self.shift, at_least=0, at_most=SIDE)
        require("elastic", self.elastic, at_least=0, at_most=SIDE)
        require("seed", self.seed, at_least=0, below=2**63, integer=True)
        require("threads", self.threads, at_least=1, integer=True)

    @property
    def f2_of_layers(self) -> tuple[float, ...]:
        """F² of each layer, first to last; () without noise."""
        if self.f2 is None:
            return ()
        return self.f2 if isinstance(self.f2, tuple) else (self.f2,) * (len(self.hidden) + 1)

    @property
    def augments(self) -> bool:
        """Whether the images are distorted in any way."""
        return any((self.rotation, self.scale, self.shear, self.shift, self.elastic))
