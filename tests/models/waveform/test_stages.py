"""Stages that impairments add: their order, their noise, and that each place calls them."""

import numpy as np
import pytest

from shotveil.models.signal.frame import FrameLayout
from shotveil.models.waveform import stages
from shotveil.models.waveform.impairment import Impairment, Place
from shotveil.models.waveform.impairments import Impairments
from shotveil.models.waveform.mesh import Mesh
from shotveil.models.waveform.optics import Optics, OpticsSetup
from shotveil.models.waveform.stages import stage_at

LAYOUT = FrameLayout(row=48, pilot_spacing=16)


def of(**causes):
    """Impairments by name, each of stages by place."""
    return {name: Impairment(name, (), stages=places) for name, places in causes.items()}


def adding(values):
    """Makes a stage that adds noise of its own, and keeps what it met."""

    def make(impairments, rng):
        def stage(met):
            values.append(met.copy())
            return met + rng.normal()

        return stage

    return make


def test_nothing_is_done_where_there_is_no_stage(monkeypatch):
    monkeypatch.setattr(stages, "IMPAIRMENTS", of(none={Place.WAY_OUT: lambda *_: None}))
    values = np.ones(3)
    for place in Place:
        assert stage_at(place, Impairments(), np.random.default_rng(1))(values) is values


def test_stages_act_one_behind_the_other_in_the_order_of_the_room(monkeypatch):
    found = of(
        one={Place.WAY_OUT: lambda *_: lambda v: v + 1},
        two={Place.WAY_OUT: lambda *_: lambda v: v * 10, Place.WAY_BACK: lambda *_: lambda v: -v},
    )
    monkeypatch.setattr(stages, "IMPAIRMENTS", found)
    assert stage_at(Place.WAY_OUT, Impairments(), np.random.default_rng(1))(np.array(2)) == 30
    assert stage_at(Place.WAY_BACK, Impairments(), np.random.default_rng(1))(np.array(2)) == -2


def test_a_stage_sees_all_settings(monkeypatch):
    seen = []
    found = of(one={Place.DRIVE: lambda impairments, rng: seen.append(impairments)})
    monkeypatch.setattr(stages, "IMPAIRMENTS", found)
    stage_at(Place.DRIVE, Impairments(extinction=20), np.random.default_rng(1))
    assert seen == [Impairments(extinction=20)]


def test_noise_is_a_stages_own_whatever_else_there_is(monkeypatch):
    def noise_of(causes, place=Place.WAY_OUT, seed=1):
        monkeypatch.setattr(stages, "IMPAIRMENTS", causes)
        rng = np.random.default_rng([seed])
        before = rng.bit_generator.state
        found = stage_at(place, Impairments(), rng)(np.zeros(1))[0]
        assert (
            rng.bit_generator.state == before and rng.bit_generator.seed_seq.n_children_spawned == 0
        )
        return found

    make = adding([])
    both = {Place.WAY_OUT: make, Place.WAY_BACK: make}
    alone, other = noise_of(of(one=both)), noise_of(of(other=both))
    assert noise_of(of(one=both)) == alone
    assert noise_of(of(one=both, other=both)) == pytest.approx(alone + other)
    assert len({alone, other, noise_of(of(one=both), seed=2),
                noise_of(of(one=both), Place.WAY_BACK)}) == 4  # fmt: skip
    (child,) = np.random.default_rng([1]).spawn(1)
    assert child.normal() not in (alone, other)


def test_a_childs_noise_is_not_its_parents(monkeypatch):
    monkeypatch.setattr(stages, "IMPAIRMENTS", of(one={Place.WAY_OUT: adding([])}))
    parent = np.random.default_rng(1)
    (child,) = parent.spawn(1)
    zero = np.zeros(1)
    one, other = (stage_at(Place.WAY_OUT, Impairments(), rng)(zero) for rng in (parent, child))
    assert one != other


def test_the_optics_call_each_place_once_with_what_it_says(monkeypatch):
    met = {place: [] for place in Place}
    monkeypatch.setattr(
        stages, "IMPAIRMENTS", of(one={place: adding(values) for place, values in met.items()})
    )
    straight = Mesh(np.zeros((2, 48)), np.zeros((2, 48)))
    setup = OpticsSetup(LAYOUT, 1.3, 14.0, 20, Impairments(transmittance_out=0.25))
    optics = Optics(setup, straight, np.random.default_rng(1))
    n = 40
    codes = np.full((2, n), 4096)
    optics.step(codes, [], np.zeros(n, int))
    shapes = {place: [values.shape for values in found] for place, found in met.items()}
    assert shapes == {
        Place.DRIVE: [(2, n)], Place.MODULATED: [(n,)], Place.WAY_OUT: [(n,)],
        Place.WAY_BACK: [(n,)], Place.CLIENT_DETECTOR: [(1, n)], Place.SERVER_DETECTOR: [(2, n)],
    }  # fmt: skip
    (driven,), (modulated,), (sent,) = (met[p] for p in list(Place)[:3])
    np.testing.assert_array_equal(driven, 0.5)  # of full scale
    assert np.iscomplexobj(modulated) and 0.5 < np.abs(modulated[0]) <= np.sqrt(2)
    # Behind the loss, without vacuum: the same for every sample.
    assert len(set(sent)) == 1 and np.abs(sent[0]) > np.abs(modulated[0])


def test_a_record_without_light_meets_no_stage_of_the_way_back(monkeypatch):
    met = []
    monkeypatch.setattr(stages, "IMPAIRMENTS", of(one={Place.WAY_BACK: adding(met)}))
    straight = Mesh(np.zeros((2, 48)), np.zeros((2, 48)))
    setup = OpticsSetup(LAYOUT, 1.3, 14.0, 20, signal=False)
    Optics(setup, straight, np.random.default_rng(1)).way_back(np.zeros(10, complex))
    assert not met
