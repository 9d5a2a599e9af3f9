"""Sweeps: what is read, what is computed, and that nothing is lost or done twice."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import shotveil.host.design.sweep
from shotveil.host.design.sweep import (
    COLUMNS,
    SETTINGS,
    Point,
    code_version,
    compute,
    read_points,
    run,
)
from shotveil.host.leakage.declared import network_leakage
from shotveil.host.run.inference import infer
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network
from tests.alive import alive


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small network in a file."""
    rng = np.random.default_rng(1)
    layers = (Layer(rng.normal(size=(12, 784))), Layer(rng.normal(size=(10, 12))))
    path = tmp_path_factory.mktemp("network") / "small.npz"
    Network("small", layers).save(path)
    return path


def written(folder, text):
    path = folder / "sweep.toml"
    path.write_text(text)
    return path


def test_reads_grid_and_list(tmp_path):
    points = read_points(
        written(
            tmp_path,
            """
            [settings]
            gain = 2
            images = 0
            [grid]
            photons = [1, 2.5]
            seed = [1, 2]
            [[points]]
            f2 = 0.5
            gain = 1.5
            """,
        )
    )
    assert [(p.photons, p.f2, p.seed, p.gain) for p in points] == [
        (1.0, None, 1, 2.0),
        (1.0, None, 2, 2.0),
        (2.5, None, 1, 2.0),
        (2.5, None, 2, 2.0),
        (None, 0.5, 1, 1.5),
    ]
    assert points[0] == Point(gain=2.0, images=0, photons=1)
    assert len({p.key for p in points}) == 5


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "holds no point"),
        ("gain = 2", "holds gain; allowed"),
        ("[grid]\nphotons = 3", "grid photons = 3; allowed: a list"),
        ("[grid]\nphotons = []", "a list of at least one value"),
        ("[grid]\nphoton = [3]", "setting 'photon' is none of"),
        ("[grid]\nphotons = [3, 3]", "a point twice"),
        ("[grid]\nphotons = [3, 3.0]", "a point twice"),
        ("[grid]\nphotons = [-3]", "photons or f2 = -3"),
        ("[grid]\ngain = [1.2]", "neither of photons and f2"),
        ("[grid]\ngain = [0.5]\nphotons = [1]", "gain = 0.5"),
        ("[grid]\nimages = [1.5]\nphotons = [1]", "images = 1.5; allowed: int"),
        ("[grid]\nverify = [1]\nphotons = [1]", "verify = 1; allowed: bool"),
        ("[grid]\nnetwork = [1]\nphotons = [1]", "network = 1; allowed: str"),
        ("[grid]\nphotons = [true]", "photons = True; allowed"),
        ("points = 3", "values where tables belong"),
        ("[[points]\n", "is no TOML"),
    ],
)
def test_refuses_what_makes_no_point(tmp_path, text, message):
    with pytest.raises(RangeError, match=message.replace("[", r"\[")):
        read_points(written(tmp_path, text))


def test_missing_file(tmp_path):
    with pytest.raises(RangeError, match="cannot be read"):
        read_points(tmp_path / "none.toml")


def test_a_row_is_what_the_parts_say(small):
    point = Point.of(
        network=str(small),
        images=60,
        seed=7,
        gain=1.4,
        photons=3.0,
        transmittance=0.5,
        inferences=9,
    )
    row = compute(point)
    assert set(row) | {"point"} == set(COLUMNS)
    network = Network("small", shotveil.host.design.sweep.load_network(small).layers)
    link = Link(1.4, 3.0, transmittance_out=0.5**0.5, transmittance_back=0.5**0.5)
    leakage = network_leakage(network, link, 9)
    assert row["weight_leakage_bits"] == leakage.weight_leakage_bits
    assert row["weight_leakage_bits_after"] == leakage.weight_leakage_bits_after
    for name, bits in leakage.data_leakage_bits.items():
        assert row[f"data_leakage_bits_{name}"] == bits
    images, labels = load_mnist(None, "test")
    seen = infer(network, images[:60], link, np.random.default_rng(7))
    assert row["accuracy"] == (seen.predictions == labels[:60]).mean()
    assert row["symbols"] == 60 * (12 * 392 + 10 * 6)
    assert row["code"] == code_version() and row["digest"] == network.digest
    assert {name: row[name] for name in ("seed", "gain", "photons", "images")} == {
        "seed": 7,
        "gain": 1.4,
        "photons": 3.0,
        "images": 60,
    }
    assert compute(point) == row


def test_a_row_holds_what_was_asked_for(small):
    leakage_alone = compute(Point(str(small), 0, f2=0.5))
    assert leakage_alone["accuracy"] is None and leakage_alone["data"] is None
    assert leakage_alone["f2"] == pytest.approx(0.5) and leakage_alone["photons"] > 0
    unverified = compute(Point(str(small), 20, f2=0.5, verify=False))
    assert unverified["accuracy"] is not None and unverified["accepted"] is None


def test_threads_change_nothing(small):
    point = Point(str(small), 7_000, photons=3.0)
    assert compute(point, threads=1) == compute(point, threads=3)


@pytest.fixture
def inline(monkeypatch):
    """Points run in this process, one after the other; returns the list of those computed."""
    done = []

    def computed(points, data, scheduler, workers):
        for point in points:
            done.append(point)
            yield {**compute(point, data), "point": point.key}

    monkeypatch.setattr("shotveil.host.design.sweep._computed", computed)
    return done


def test_goes_on_after_its_end(tmp_path, inline):
    points = [Point(images=0, photons=float(mu)) for mu in range(1, 6)]
    out = tmp_path / "new" / "out.parquet"
    assert run(points[:3], out) == 3
    counted = []
    assert run(points[:3], out, progress=counted.append) == 0 and sum(counted) == 3
    assert run(points, out) == 2  # more points: these alone
    rows = pq.read_table(out).to_pylist()
    assert [row["photons"] for row in rows] == [1, 2, 3, 4, 5]
    assert len(inline) == 5
    assert [path.name for path in out.parent.iterdir()] == ["out.parquet"]
    schema = pq.read_table(out).schema
    assert schema.names == list(COLUMNS)
    assert str(schema.field("accuracy").type) == "double"


def test_a_torn_line_is_cut_off(tmp_path, inline):
    points = [Point(images=0, photons=float(mu)) for mu in range(1, 4)]
    whole, torn = tmp_path / "whole.parquet", tmp_path / "torn.parquet"
    run(points, whole)
    row = json.dumps({**compute(points[0]), "point": points[0].key})
    head = json.dumps({"format": shotveil.host.design.sweep.FORMAT, "code": code_version()})
    torn.with_name("torn.parquet.journal").write_text(f"{head}\n{row}\n{row[:50]}")
    assert run(points, torn) == 2
    assert torn.read_bytes() == whole.read_bytes()


def test_an_error_keeps_what_was_finished(tmp_path, inline, monkeypatch):
    points = [Point(images=0, photons=float(mu)) for mu in range(1, 6)]
    real = shotveil.host.design.sweep.compute

    def third_fails(point, data=None):
        if point.photons == 3:
            raise RuntimeError("power cut")
        return real(point, data)

    monkeypatch.setattr(sys.modules[__name__], "compute", third_fails)
    out = tmp_path / "out.parquet"
    with pytest.raises(RuntimeError, match="power cut"):
        run(points, out)
    assert not out.exists()
    monkeypatch.setattr(sys.modules[__name__], "compute", real)
    assert run(points, out) == 3


def test_a_file_that_changed_is_computed_anew(tmp_path, inline):
    rng = np.random.default_rng(1)
    path, out = tmp_path / "net.npz", tmp_path / "out.parquet"
    for _ in range(2):
        Network("net", (Layer(rng.normal(size=(10, 784))),)).save(path)
        shotveil.host.design.sweep._network.cache_clear()
        assert run([Point(str(path), 0, photons=1.0)], out) == 1


def test_refuses_results_of_other_code(tmp_path, inline, monkeypatch):
    points, out = [Point(images=0, photons=1.0)], tmp_path / "out.parquet"
    run(points, out)
    monkeypatch.setattr("shotveil.host.design.sweep.code_version", lambda: "0+other")
    with pytest.raises(RangeError, match=r"is of code .*, not 0\+other"):
        run(points, out)
    out.unlink()
    journal = tmp_path / "out.parquet.journal"
    journal.write_text(
        json.dumps({"format": shotveil.host.design.sweep.FORMAT, "code": "0+third"}) + "\n"
    )
    with pytest.raises(RangeError, match=r"is of code 0\+third, not 0\+other"):
        run(points, out)


def test_refuses_a_worker_of_other_code(tmp_path, monkeypatch):
    point = Point(images=0, photons=1.0)
    row = {**compute(point), "point": point.key, "code": "0+other"}
    monkeypatch.setattr("shotveil.host.design.sweep._computed", lambda *_: iter([row]))
    with pytest.raises(RangeError, match=r"worker runs code 0\+other"):
        run([point], tmp_path / "out.parquet")


def test_refuses_before_it_starts(tmp_path, inline):
    for point, message in (
        (Point(images=10_001, photons=1.0), "images of mnist = 10001"),
        (Point("none", photons=1.0), "network none is not found"),
    ):
        with pytest.raises(RangeError, match=message):
            run([Point(images=0, photons=1.0), point], tmp_path / "out.parquet")
    (tmp_path / "bad.parquet").write_text("no table")
    with pytest.raises(RangeError, match="is no sweep's result"):
        run([Point(images=0, photons=1.0)], tmp_path / "bad.parquet")
    assert not inline


# --- the command, in processes of its own ---------------------------------------------------------

SIXTY_FOUR = """
[settings]
network = "{network}"
images = 400
[grid]
gain = [1.1, 1.3]
transmittance = [1.0, 0.5]
photons = [0.5, 1.0, 2.0, 4.0]
seed = [1, 2, 3, 4]
"""


def command(settings, out, *arguments):
    program = "import sys; from shotveil.host.commands.cli import main; main(sys.argv[1:])"
    return [sys.executable, "-c", program, "sweep", str(settings), "--out", str(out), *arguments]


def lines(journal):
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def wait_until(condition, process, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the sweep ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, small):
    """Settings of 64 points, and the file that a sweep of them writes when left alone."""
    folder = tmp_path_factory.mktemp("sweep")
    settings = written(folder, SIXTY_FOUR.format(network=small))
    out = folder / "undisturbed.parquet"
    subprocess.run(command(settings, out, "--workers", "2"), check=True, capture_output=True)
    return settings, out


def test_killed_three_times(tmp_path, undisturbed):
    settings, whole = undisturbed
    out = tmp_path / "killed.parquet"
    journal = tmp_path / "killed.parquet.journal"
    finished = 0
    for _ in range(3):
        process = subprocess.Popen(command(settings, out, "--workers", "1"), stderr=subprocess.PIPE)
        with process:
            wait_until(lambda enough=finished + 5: lines(journal) >= enough, process)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        finished, before = lines(journal), finished
        assert before < finished < 65 and not out.exists()
        end = time.monotonic() + 10
        while any(alive(pid) for pid in children):  # workers must not outlive the sweep
            assert time.monotonic() < end
            time.sleep(0.01)
    last = subprocess.run(
        command(settings, out, "--workers", "1", "--json"),
        check=True,
        capture_output=True,
        text=True,
    )
    # The header is no point, and the last line may be torn.
    assert 64 - json.loads(last.stdout)["computed"] in (finished - 1, finished)
    rows = pq.read_table(out).to_pylist()
    assert len(rows) == 64 == len({row["point"] for row in rows})
    assert out.read_bytes() == whole.read_bytes()
    assert not journal.exists()


def test_two_at_once_are_refused(tmp_path, undisturbed):
    settings, _ = undisturbed
    out = tmp_path / "out.parquet"
    with subprocess.Popen(command(settings, out, "--workers", "1")) as process:
        wait_until(lambda: lines(tmp_path / "out.parquet.journal") > 1, process)
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(RangeError, match="in use by another sweep"):
            run(read_points(settings), out)
        process.kill()


@pytest.mark.filterwarnings("ignore")  # of the cluster's own making
def test_the_same_on_a_cluster(tmp_path, undisturbed):
    distributed = pytest.importorskip("distributed")
    settings, whole = undisturbed
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    )
    with cluster:
        out = tmp_path / "cluster.parquet"
        points = read_points(settings)
        assert run(points, out, scheduler=cluster.scheduler_address) == 64
    assert out.read_bytes() == whole.read_bytes()


def test_no_cluster(tmp_path):
    pytest.importorskip("distributed")
    with pytest.raises(RangeError, match="scheduler nonsense cannot be reached"):
        run([Point(images=0, photons=1.0)], tmp_path / "out.parquet", scheduler="nonsense")


def test_point_settings_are_columns():
    assert set(SETTINGS) < set(COLUMNS)
