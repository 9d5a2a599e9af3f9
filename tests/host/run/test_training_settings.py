"""What training is told: its defaults, their ranges, and whether images are distorted."""

import dataclasses

import pytest

from shotveil.host.run.training_settings import TrainingSettings
from shotveil.models.common.checks import RangeError


@pytest.mark.parametrize(
    "change",
    [
        {"hidden": (0,)},
        {"hidden": (9, 0)},
        {"hidden": (2.5,)},
        {"f2": 0},
        {"f2": -1},
        {"f2_spread": 0.5},
        {"epochs": 0},
        {"batch": 0},
        {"learning_rate": 0},
        {"weight_decay": -1},
        {"dropout": 1},
        {"dropout": -1},
        {"label_smoothing": 1},
        {"label_smoothing": -1},
        {"rotation": 180.1},
        {"rotation": -1},
        {"scale": 1},
        {"scale": -1},
        {"shear": 1},
        {"shear": -1},
        {"shift": 28.1},
        {"shift": -1},
        {"elastic": 28.1},
        {"elastic": -1},
        {"epochs": 1.5},
        {"batch": 1.5},
        {"seed": 1.5},
        {"threads": 1.5},
        {"seed": -1},
        {"seed": 2**63},
        {"threads": 0},
    ],
    ids=str,
)
def test_refuses_settings(change):
    (name,) = change
    called = "hidden width" if name == "hidden" else name
    with pytest.raises(RangeError, match=rf"^{called} = .* is outside "):
        TrainingSettings(**change)


def test_what_is_trained_where_nothing_else_is_asked_for():
    assert dataclasses.asdict(TrainingSettings()) == {
        "hidden": (784,),
        "f2": 0.3,
        "f2_spread": 1.0,
        "bias": False,
        "epochs": 30,
        "batch": 256,
        "learning_rate": 8e-3,
        "validation": 0.0,
        "patience": 0,
        "normalise": False,
        "weight_decay": 0.0,
        "dropout": 0.0,
        "label_smoothing": 0.0,
        "rotation": 0.0,
        "scale": 0.0,
        "shear": 0.0,
        "shift": 0.0,
        "elastic": 0.0,
        "bfloat16": False,
        "int8": True,
        "seed": 1,
        "threads": 2,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"hidden": ()},
        {"hidden": (1,)},
        {"f2": None},
        {"f2": 1e-9},
        {"f2_spread": 1},
        {"epochs": 1},
        {"batch": 1},
        {"learning_rate": 1e-9},
        {"weight_decay": 0},
        {"dropout": 0.99},
        {"label_smoothing": 0.99},
        {"rotation": 180},
        {"scale": 0.99},
        {"shear": 0.99},
        {"shift": 28},
        {"elastic": 28},
        {"seed": 0},
        {"seed": 2**63 - 1},
        {"threads": 1},
    ],
    ids=str,
)
def test_takes_the_ends_of_the_ranges(change):
    ((name, value),) = change.items()
    assert getattr(TrainingSettings(**change), name) == value


def test_widths_from_a_file_are_a_tuple():
    assert TrainingSettings(hidden=[3, 4]) == TrainingSettings(hidden=(3, 4))


@pytest.mark.parametrize("one", ["rotation", "scale", "shear", "shift", "elastic"])
def test_one_distortion_is_enough(one):
    assert not TrainingSettings().augments
    assert TrainingSettings(**{one: 0.5}).augments


def test_each_setting_says_what_it_is():
    for each in dataclasses.fields(TrainingSettings):
        assert each.metadata["help"].endswith(".") and len(each.metadata["help"]) > 30
