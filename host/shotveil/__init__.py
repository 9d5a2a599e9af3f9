"""Quantum-secure multiparty deep learning: a network that you may not see, on data of your own.

The names in this module are stable: they change only with a new major version, after the changelog
has announced it. Everything else, in the modules `shotveil.…`, may change with any version.

    import numpy as np
    import shotveil

    network = shotveil.load_network("mnist")
    images, labels = shotveil.load_mnist()
    link = shotveil.Link(gain=1.02, photons=20)

    seen = shotveil.infer(network, images, link, np.random.default_rng(seed=1))
    seen.predictions                                      # what the client learns
    shotveil.network_leakage(network, link, len(images))  # what may leak, by the settings
    shotveil.verdicts(network, link, seen)                # what the server finds in the light

Every name is imported when it is first used. Units: light is counted in photons per mode, noise in
shot-noise units (SNU), in which the vacuum of a quadrature has variance 1, and leakage in bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shotveil.host.compile.classifier import ShotveilClassifier
    from shotveil.host.compile.compiled import Budget, compile
    from shotveil.host.design.operating_point import within_budgets
    from shotveil.host.devices.opening import open_node
    from shotveil.host.leakage.declared import network_leakage
    from shotveil.host.run.inference import infer
    from shotveil.host.run.summary import verdicts
    from shotveil.models.common.checks import RangeError
    from shotveil.models.link.channel import Channel
    from shotveil.models.link.detector import Detector
    from shotveil.models.link.optics import Link
    from shotveil.models.networks.mnist import load_mnist
    from shotveil.models.networks.network import Layer, Network, load_network

    __version__: str

__all__ = [
    "Budget",
    "Channel",
    "Detector",
    "Layer",
    "Link",
    "Network",
    "RangeError",
    "ShotveilClassifier",
    "__version__",
    "compile",
    "infer",
    "load_mnist",
    "load_network",
    "network_leakage",
    "open_node",
    "verdicts",
    "within_budgets",
]

# Where each name is defined; a type checker reads the imports above instead.
_HOMES = {
    "Budget": "shotveil.host.compile.compiled",
    "Channel": "shotveil.models.link.channel",
    "Detector": "shotveil.models.link.detector",
    "Layer": "shotveil.models.networks.network",
    "Link": "shotveil.models.link.optics",
    "Network": "shotveil.models.networks.network",
    "RangeError": "shotveil.models.common.checks",
    "ShotveilClassifier": "shotveil.host.compile.classifier",
    "compile": "shotveil.host.compile.compiled",
    "infer": "shotveil.host.run.inference",
    "load_mnist": "shotveil.models.networks.mnist",
    "load_network": "shotveil.models.networks.network",
    "network_leakage": "shotveil.host.leakage.declared",
    "open_node": "shotveil.host.devices.opening",
    "verdicts": "shotveil.host.run.summary",
    "within_budgets": "shotveil.host.design.operating_point",
}

if not TYPE_CHECKING:  # a type checker that saw it would accept any name

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            value: object = version("shotveil")
        elif name in _HOMES:
            from importlib import import_module

            value = getattr(import_module(_HOMES[name]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
