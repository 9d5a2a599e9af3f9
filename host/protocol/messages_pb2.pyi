from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Hello(_message.Message):
    __slots__ = ("version", "network", "checkpoint")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    version: int
    network: str
    checkpoint: str
    def __init__(self, version: _Optional[int] = ..., network: _Optional[str] = ..., checkpoint: _Optional[str] = ...) -> None: ...

class LayerShape(_message.Message):
    __slots__ = ("rows", "columns", "bias", "scale", "gain", "photons", "patches")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    BIAS_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    GAIN_FIELD_NUMBER: _ClassVar[int]
    PHOTONS_FIELD_NUMBER: _ClassVar[int]
    PATCHES_FIELD_NUMBER: _ClassVar[int]
    rows: int
    columns: int
    bias: bool
    scale: float
    gain: float
    photons: float
    patches: int
    def __init__(self, rows: _Optional[int] = ..., columns: _Optional[int] = ..., bias: _Optional[bool] = ..., scale: _Optional[float] = ..., gain: _Optional[float] = ..., photons: _Optional[float] = ..., patches: _Optional[int] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("version", "session", "network", "layers", "transmittance_out", "decoy_rate", "planned", "most_images", "digest")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    TRANSMITTANCE_OUT_FIELD_NUMBER: _ClassVar[int]
    DECOY_RATE_FIELD_NUMBER: _ClassVar[int]
    PLANNED_FIELD_NUMBER: _ClassVar[int]
    MOST_IMAGES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    version: int
    session: str
    network: str
    layers: _containers.RepeatedCompositeFieldContainer[LayerShape]
    transmittance_out: float
    decoy_rate: float
    planned: bool
    most_images: int
    digest: str
    def __init__(self, version: _Optional[int] = ..., session: _Optional[str] = ..., network: _Optional[str] = ..., layers: _Optional[_Iterable[_Union[LayerShape, _Mapping]]] = ..., transmittance_out: _Optional[float] = ..., decoy_rate: _Optional[float] = ..., planned: _Optional[bool] = ..., most_images: _Optional[int] = ..., digest: _Optional[str] = ...) -> None: ...

class LayerRequest(_message.Message):
    __slots__ = ("version", "session", "batch", "layer", "images", "checks")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    version: int
    session: str
    batch: int
    layer: int
    images: int
    checks: int
    def __init__(self, version: _Optional[int] = ..., session: _Optional[str] = ..., batch: _Optional[int] = ..., layer: _Optional[int] = ..., images: _Optional[int] = ..., checks: _Optional[int] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("part", "warning", "reason", "order", "mixed")
    PART_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    MIXED_FIELD_NUMBER: _ClassVar[int]
    part: int
    warning: bool
    reason: str
    order: bytes
    mixed: bool
    def __init__(self, part: _Optional[int] = ..., warning: _Optional[bool] = ..., reason: _Optional[str] = ..., order: _Optional[bytes] = ..., mixed: _Optional[bool] = ...) -> None: ...

class Goodbye(_message.Message):
    __slots__ = ("version", "session")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    version: int
    session: str
    def __init__(self, version: _Optional[int] = ..., session: _Optional[str] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("network", "images", "checkpoint")
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    network: str
    images: int
    checkpoint: str
    def __init__(self, network: _Optional[str] = ..., images: _Optional[int] = ..., checkpoint: _Optional[str] = ...) -> None: ...

class Emission(_message.Message):
    __slots__ = ("version", "key", "scale", "rows", "modes", "first", "x", "p")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    MODES_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    P_FIELD_NUMBER: _ClassVar[int]
    version: int
    key: str
    scale: float
    rows: int
    modes: int
    first: int
    x: bytes
    p: bytes
    def __init__(self, version: _Optional[int] = ..., key: _Optional[str] = ..., scale: _Optional[float] = ..., rows: _Optional[int] = ..., modes: _Optional[int] = ..., first: _Optional[int] = ..., x: _Optional[bytes] = ..., p: _Optional[bytes] = ...) -> None: ...

class Loaded(_message.Message):
    __slots__ = ("rows", "symbol_level", "epoch")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_LEVEL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    rows: int
    symbol_level: bool
    epoch: str
    def __init__(self, rows: _Optional[int] = ..., symbol_level: _Optional[bool] = ..., epoch: _Optional[str] = ...) -> None: ...

class Hold(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: int
    def __init__(self, version: _Optional[int] = ...) -> None: ...

class Announcement(_message.Message):
    __slots__ = ("version", "session", "client", "epoch")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    version: int
    session: str
    client: str
    epoch: str
    def __init__(self, version: _Optional[int] = ..., session: _Optional[str] = ..., client: _Optional[str] = ..., epoch: _Optional[str] = ...) -> None: ...

class Statement(_message.Message):
    __slots__ = ("body", "signature", "certificate")
    BODY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    body: str
    signature: bytes
    certificate: bytes
    def __init__(self, body: _Optional[str] = ..., signature: _Optional[bytes] = ..., certificate: _Optional[bytes] = ...) -> None: ...

class Shot(_message.Message):
    __slots__ = ("version", "session", "batch", "layer", "part", "images", "weights", "first", "stop", "last", "order", "decoy_x", "decoy_p", "decoy_peak", "mixed", "decoys", "decoy_seed")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    DECOY_X_FIELD_NUMBER: _ClassVar[int]
    DECOY_P_FIELD_NUMBER: _ClassVar[int]
    DECOY_PEAK_FIELD_NUMBER: _ClassVar[int]
    MIXED_FIELD_NUMBER: _ClassVar[int]
    DECOYS_FIELD_NUMBER: _ClassVar[int]
    DECOY_SEED_FIELD_NUMBER: _ClassVar[int]
    version: int
    session: str
    batch: int
    layer: int
    part: int
    images: int
    weights: str
    first: int
    stop: int
    last: bool
    order: bytes
    decoy_x: bytes
    decoy_p: bytes
    decoy_peak: float
    mixed: bool
    decoys: int
    decoy_seed: bytes
    def __init__(self, version: _Optional[int] = ..., session: _Optional[str] = ..., batch: _Optional[int] = ..., layer: _Optional[int] = ..., part: _Optional[int] = ..., images: _Optional[int] = ..., weights: _Optional[str] = ..., first: _Optional[int] = ..., stop: _Optional[int] = ..., last: _Optional[bool] = ..., order: _Optional[bytes] = ..., decoy_x: _Optional[bytes] = ..., decoy_p: _Optional[bytes] = ..., decoy_peak: _Optional[float] = ..., mixed: _Optional[bool] = ..., decoys: _Optional[int] = ..., decoy_seed: _Optional[bytes] = ...) -> None: ...

class Sums(_message.Message):
    __slots__ = ("count", "qq", "qy", "yy")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    QQ_FIELD_NUMBER: _ClassVar[int]
    QY_FIELD_NUMBER: _ClassVar[int]
    YY_FIELD_NUMBER: _ClassVar[int]
    count: int
    qq: float
    qy: float
    yy: float
    def __init__(self, count: _Optional[int] = ..., qq: _Optional[float] = ..., qy: _Optional[float] = ..., yy: _Optional[float] = ...) -> None: ...

class Returned(_message.Message):
    __slots__ = ("weights", "modes", "decoy_count", "decoy_qq", "decoy_qy", "decoy_yy")
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    MODES_FIELD_NUMBER: _ClassVar[int]
    DECOY_COUNT_FIELD_NUMBER: _ClassVar[int]
    DECOY_QQ_FIELD_NUMBER: _ClassVar[int]
    DECOY_QY_FIELD_NUMBER: _ClassVar[int]
    DECOY_YY_FIELD_NUMBER: _ClassVar[int]
    weights: Sums
    modes: int
    decoy_count: int
    decoy_qq: bytes
    decoy_qy: bytes
    decoy_yy: bytes
    def __init__(self, weights: _Optional[_Union[Sums, _Mapping]] = ..., modes: _Optional[int] = ..., decoy_count: _Optional[int] = ..., decoy_qq: _Optional[bytes] = ..., decoy_qy: _Optional[bytes] = ..., decoy_yy: _Optional[bytes] = ...) -> None: ...

class Light(_message.Message):
    __slots__ = ("version", "session", "batch", "layer", "part", "repetitions", "slots", "last", "repetition", "first", "modes", "x", "p", "measure_p", "squeezing", "count", "epoch")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    REPETITIONS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    REPETITION_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    MODES_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    P_FIELD_NUMBER: _ClassVar[int]
    MEASURE_P_FIELD_NUMBER: _ClassVar[int]
    SQUEEZING_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    version: int
    session: str
    batch: int
    layer: int
    part: int
    repetitions: int
    slots: int
    last: bool
    repetition: int
    first: int
    modes: int
    x: bytes
    p: bytes
    measure_p: bytes
    squeezing: float
    count: bool
    epoch: str
    def __init__(self, version: _Optional[int] = ..., session: _Optional[str] = ..., batch: _Optional[int] = ..., layer: _Optional[int] = ..., part: _Optional[int] = ..., repetitions: _Optional[int] = ..., slots: _Optional[int] = ..., last: _Optional[bool] = ..., repetition: _Optional[int] = ..., first: _Optional[int] = ..., modes: _Optional[int] = ..., x: _Optional[bytes] = ..., p: _Optional[bytes] = ..., measure_p: _Optional[bytes] = ..., squeezing: _Optional[float] = ..., count: _Optional[bool] = ..., epoch: _Optional[str] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: bytes
    def __init__(self, values: _Optional[bytes] = ...) -> None: ...

class Dropped(_message.Message):
    __slots__ = ("version", "session", "keys", "refusal", "reason")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    version: int
    session: str
    keys: _containers.RepeatedScalarFieldContainer[str]
    refusal: str
    reason: str
    def __init__(self, version: _Optional[int] = ..., session: _Optional[str] = ..., keys: _Optional[_Iterable[str]] = ..., refusal: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Settings(_message.Message):
    __slots__ = ("version", "session", "batch", "layer", "gain", "images", "modes", "real", "imaginary", "stream", "checks", "check_real", "check_imaginary", "places")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    GAIN_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    MODES_FIELD_NUMBER: _ClassVar[int]
    REAL_FIELD_NUMBER: _ClassVar[int]
    IMAGINARY_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    CHECK_REAL_FIELD_NUMBER: _ClassVar[int]
    CHECK_IMAGINARY_FIELD_NUMBER: _ClassVar[int]
    PLACES_FIELD_NUMBER: _ClassVar[int]
    version: int
    session: str
    batch: int
    layer: int
    gain: float
    images: int
    modes: int
    real: bytes
    imaginary: bytes
    stream: int
    checks: int
    check_real: bytes
    check_imaginary: bytes
    places: bytes
    def __init__(self, version: _Optional[int] = ..., session: _Optional[str] = ..., batch: _Optional[int] = ..., layer: _Optional[int] = ..., gain: _Optional[float] = ..., images: _Optional[int] = ..., modes: _Optional[int] = ..., real: _Optional[bytes] = ..., imaginary: _Optional[bytes] = ..., stream: _Optional[int] = ..., checks: _Optional[int] = ..., check_real: _Optional[bytes] = ..., check_imaginary: _Optional[bytes] = ..., places: _Optional[bytes] = ...) -> None: ...

class Reading(_message.Message):
    __slots__ = ("part", "slots", "values")
    PART_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    part: int
    slots: int
    values: bytes
    def __init__(self, part: _Optional[int] = ..., slots: _Optional[int] = ..., values: _Optional[bytes] = ...) -> None: ...
