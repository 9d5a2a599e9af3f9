"""Raw ADC records as SigMF, the exchange format of signal recordings (https://sigmf.org)."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np

from shotveil.host.devices.node import Node
from shotveil.host.extras import import_extra
from shotveil.models.common.checks import RangeError
from shotveil.models.common.fixedpoint import IntArray
from shotveil.models.node.register import Access

EXTENSION = "shotveil"
SUFFIXES = (".sigmf-data", ".sigmf-meta", ".sigmf")
VERSION = "1.0.0"  # version of the fields that start with `shotveil:`


def names(path: Path) -> tuple[Path, Path]:
    """Return the paths for the samples and the metadata of a record.

    Raises `RangeError` if one of them exists or the folder does not, and for the path of a device.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):  # root could write beside it
        raise RangeError(f"{path} is a device; allowed: a new name")
    if path.suffix in SUFFIXES:  # of a person who names one of the two files
        path = path.with_suffix("")
    files = path.with_name(path.name + ".sigmf-data"), path.with_name(path.name + ".sigmf-meta")
    for file in files:
        if file.exists():
            raise RangeError(f"{file} exists; allowed: a new name")
    if not path.parent.is_dir():
        raise RangeError(f"{path.parent} is no folder; allowed: one that exists")
    return files


def write(
    path: Path, node: Node, samples: IntArray, when: datetime.datetime | None = None
) -> tuple[Path, Path]:
    """Write samples of `Node.capture` and their metadata; return the paths of both files.

    path: Name of the record, without an ending.
    samples: Samples in ADC steps, shape (quadratures, n). Two quadratures become complex samples
        x + i·p, one becomes real samples.
    when: Time of the first sample; None takes the current time.

    The metadata hold the sample rate, the identity and spec of the node, and all settings in
    physical units. Raises `RangeError` if a file exists.
    """
    sigmf = import_extra("sigmf", "device")
    files = names(path)
    time = when or datetime.datetime.now(datetime.UTC)
    identity = {name: f"{value:08x}" for name, value in node.device.map.identity.items()}
    settings = node.device.map.of(Access.SETTING)
    values = {name: value for name, value in node.registers.read().items() if name in settings}
    np.ascontiguousarray(samples.T, dtype="<i2").tofile(files[0])
    meta = sigmf.SigMFFile(
        data_file=str(files[0]),
        global_info={
            "core:datatype": "ci16_le" if len(samples) == 2 else "ri16_le",
            "core:sample_rate": node.spec.clock_hz,
            "core:version": sigmf.__specification__,
            "core:description": f"raw ADC record of a {node.spec.role}'s node, in ADC steps",
            "core:hw": f"Shotveil {node.spec.role}, ADC of {node.spec.digitiser.adc_bits} bits",
            "core:recorder": "shotveil",
            "core:extensions": [{"name": EXTENSION, "version": VERSION, "optional": True}],
            f"{EXTENSION}:device": node.device.name,
            f"{EXTENSION}:role": node.spec.role,
            **{f"{EXTENSION}:{name}": value for name, value in identity.items()},
            f"{EXTENSION}:spec": node.spec.fields(),
            f"{EXTENSION}:settings": values,
        },
    )
    stamp = time.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    meta.add_capture(0, metadata={"core:datetime": stamp})
    meta.tofile(str(files[1]))
    return files
