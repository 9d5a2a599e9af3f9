import functools
import http.server
import math
import sys
import threading

import numpy as np
import pytest

from shotveil.host.run import training
from shotveil.host.run.inference import infer
from shotveil.host.run.training import TrainingSettings, fetch_mnist, train
from shotveil.host.run.training_settings import DIGIT_DISTORTIONS
from shotveil.models.common.checks import RangeError
from shotveil.models.link.optics import Link
from shotveil.models.networks.features import learn_front_end
from shotveil.models.networks.mnist import load_mnist
from shotveil.models.networks.network import Layer, Network, load_network

PLAIN = {"rotation": 0, "scale": 0, "shear": 0, "shift": 0, "elastic": 0}


def through_the_link(network, images, f2):
    link = Link(gain=1.3, photons=1).with_f2(f2)
    return infer(network, images, link, np.random.default_rng(3), verify=False)


@pytest.mark.parametrize("package, call", [("torch", "train"), ("pooch", "fetch")])
def test_says_how_to_get_what_is_missing(package, call, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=rf"{package}.*make setup-train"):
        if call == "train":
            train(TrainingSettings(), np.zeros((1, 784)), np.zeros(1, int))
        else:
            fetch_mnist(tmp_path)


class TestWithTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch")

    @staticmethod
    def toy(n=600, seed=4):
        """Ten well separated random directions, 8 pixels."""
        rng = np.random.default_rng(seed)
        centres = np.random.default_rng(0).random((10, 8))
        labels = rng.integers(0, 10, n)
        return np.clip(centres[labels] + 0.1 * rng.standard_normal((n, 8)), 0, 1), labels

    @pytest.mark.parametrize("bias", [False, True])
    def test_forward_has_the_noise_of_the_link(self, torch, bias):
        settings = TrainingSettings(hidden=(7,), bias=bias, f2=3.0)
        generator = torch.Generator().manual_seed(1)
        weights = training._initial_weights([9, 7, 10], settings, generator)
        layers = tuple(Layer(w.detach().numpy(), bias) for w in weights)
        x = np.random.default_rng(2).random((1, 9), np.float32)
        repeated = np.repeat(x, 20_000, axis=0)
        ours = through_the_link(Network("n", layers), repeated, 3.0).outputs
        theirs = training._forward(weights, torch.from_numpy(repeated), settings, generator)
        theirs = theirs.detach().numpy()
        # Both estimate the same means and standard deviations: 5 standard errors of a difference
        error = 5 * ours.std(axis=0) * math.sqrt(2 / 20_000)
        assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < error).all()
        assert (np.abs(ours.std(axis=0) - theirs.std(axis=0)) < error).all()

    def test_gradient_goes_through_norm_and_rms(self, torch):
        """Held against a numerical derivative, with the same noise in every evaluation."""
        settings = TrainingSettings(hidden=(4,), bias=True, f2=0.7)
        start = torch.Generator().manual_seed(1)
        weights = [
            w.detach().double().requires_grad_()
            for w in training._initial_weights([3, 4, 10], settings, start)
        ]
        x = torch.rand(5, 3, generator=start, dtype=torch.float64)

        def outputs(*w):
            return training._forward(list(w), x, settings, torch.Generator().manual_seed(9))

        assert torch.autograd.gradcheck(outputs, weights)

    def test_one_seed_gives_one_network(self):
        images, labels = self.toy()
        settings = TrainingSettings(hidden=(16,), epochs=2, **PLAIN)
        networks = [train(settings, images, labels) for _ in range(2)]
        assert networks[0].digest == networks[1].digest
        other = TrainingSettings(hidden=(16,), epochs=2, seed=2, **PLAIN)
        assert train(other, images, labels).digest != networks[0].digest

    def test_training_with_noise_needs_less_light(self):
        images, labels = self.toy()
        test_images, test_labels = self.toy(2000, seed=5)
        at = {}
        for f2 in (None, 1.0):
            settings = TrainingSettings(hidden=(64,), f2=f2, epochs=40, batch=50, **PLAIN)
            network = train(settings, images, labels)
            seen = through_the_link(network, test_images, 1.0)
            at[f2] = (seen.predictions == test_labels).mean()
        assert at[1.0] > at[None] + 0.03

    def test_reports_progress_and_settings(self):
        images, labels = self.toy()
        settings = TrainingSettings(
            hidden=(32, 16), epochs=12, batch=20, f2=50.0, learning_rate=5e-3, **PLAIN
        )
        seen = []
        network = train(settings, images, labels, name="toy", progress=seen.append)
        assert [p.epoch for p in seen] == list(range(1, 13)) and seen[0].epochs == 12
        assert seen[-1].loss < seen[0].loss and seen[-1].accuracy > 0.8
        assert network.name == "toy"
        assert [layer.rows for layer in network.layers] == [32, 16, 10]
        assert TrainingSettings(**network.about["training"]) == settings

    def test_int8_is_a_choice(self):
        images, labels = self.toy()
        for int8 in (True, False):
            settings = TrainingSettings(hidden=(8,), epochs=1, int8=int8, **PLAIN)
            layer = train(settings, images, labels).layers[0]
            assert np.array_equal(layer.rounded().weights, layer.weights) is int8

    def test_distortion_moves_an_image_as_asked(self, torch):
        """Only a shift, so the centre of mass moves by at most that, and by different amounts."""
        settings = TrainingSettings(**PLAIN | {"shift": 2.0})
        image = np.zeros((28, 28), np.float32)
        image[12:16, 12:16] = 1
        batch = torch.from_numpy(image.reshape(1, -1)).repeat(400, 1)
        moved = training._distort(batch, settings, torch.Generator().manual_seed(1)).numpy()
        moved = moved.reshape(-1, 28, 28)
        np.testing.assert_allclose(moved.sum(axis=(1, 2)), 16, rtol=1e-4)
        down = (moved.sum(axis=2) @ np.arange(28)) / 16 - 13.5
        across = (moved.sum(axis=1) @ np.arange(28)) / 16 - 13.5
        for shift in (down, across):
            assert np.abs(shift).max() <= 2.001
            # Uniform in ±2 has standard deviation 2/√3; 400 draws know it to a few per cent
            assert shift.std() == pytest.approx(2 / math.sqrt(3), rel=0.1)
        still = training._distort(batch[:1], TrainingSettings(**PLAIN), torch.Generator())
        np.testing.assert_allclose(still.numpy().reshape(28, 28), image, atol=1e-5)

    def test_elastic_displacement_has_the_stated_size(self, torch):
        """On a ramp of one level per pixel, the change of a pixel is its displacement."""
        settings = TrainingSettings(**PLAIN | {"elastic": 0.5})
        ramp = np.tile(np.arange(28, dtype=np.float32), (28, 1))
        batch = torch.from_numpy(ramp.reshape(1, -1)).repeat(2000, 1)
        moved = training._distort(batch, settings, torch.Generator().manual_seed(1)).numpy()
        displacement = moved.reshape(-1, 28, 28)[:, 4:-4, 4:-4] - ramp[4:-4, 4:-4]
        assert np.sqrt((displacement**2).mean()) == pytest.approx(0.5, rel=0.02)
        # Smooth: neighbours move together, pixels far apart on their own.
        flat = displacement.reshape(2000, -1)
        assert np.corrcoef(flat[:, 0], flat[:, 1])[0, 1] > 0.9
        assert abs(np.corrcoef(flat[:, 0], flat[:, -1])[0, 1]) < 0.15

    def test_bfloat16_changes_rounding_only(self, torch):
        exact = TrainingSettings(hidden=(64,))
        weights = training._initial_weights([784, 64, 10], exact, torch.Generator().manual_seed(1))
        x = torch.from_numpy(load_mnist(None, "test")[0][:200])
        outputs = [
            training._forward(weights, x, settings, torch.Generator().manual_seed(2)).detach()
            for settings in (exact, TrainingSettings(hidden=(64,), bfloat16=True))
        ]
        difference = (outputs[0] - outputs[1]).std() / outputs[0].std()
        assert 0 < difference < 2**-6

    def test_distortion_keeps_digits_recognisable(self, torch):
        images, labels = load_mnist(None, "test")
        images, labels = images[:1000], labels[:1000]
        generator = torch.Generator().manual_seed(1)
        settings = TrainingSettings(**DIGIT_DISTORTIONS)
        distorted = training._distort(torch.from_numpy(images), settings, generator)
        assert np.abs(distorted.numpy() - images).mean() > 0.03
        outputs = load_network("mnist").forward(distorted.numpy())
        assert (outputs.argmax(axis=1) == labels).mean() > 0.95

    @pytest.mark.parametrize(
        "images, labels, message",
        [
            (np.zeros((3, 784)), np.zeros(2, int), r"shape \(3, 784\) and labels \(2,\)"),
            (np.zeros((0, 784)), np.zeros(0, int), r"n ≥ 1"),
            (np.zeros((1, 784)), np.array([10]), r"label = 10 is outside the integers"),
            (np.full((1, 784), 255), np.array([1]), r"pixel = 255 is outside \[0, 1\]"),
            (np.zeros((1, 9)), np.array([1]), "9 pixels; allowed: 784"),
        ],
    )
    def test_refuses_data(self, images, labels, message):
        with pytest.raises(RangeError, match=message):
            train(TrainingSettings(**DIGIT_DISTORTIONS), images, labels)

    def test_divergence_is_told(self):
        images, labels = self.toy()
        settings = TrainingSettings(hidden=(8,), epochs=3, learning_rate=1e30, f2=None, **PLAIN)
        with pytest.raises(RangeError, match="diverged in epoch"):
            train(settings, images, labels)


class TestFetch:
    @pytest.fixture
    def mirror(self, tmp_path, monkeypatch):
        """A mirror on this machine, whose four files are small and have their own checksums."""
        pooch = pytest.importorskip("pooch")
        pooch.get_logger().setLevel("ERROR")
        folder = tmp_path / "mirror"
        folder.mkdir()
        checksums = {}
        for stem in training.CHECKSUMS:
            (folder / f"{stem}.gz").write_bytes(stem.encode())
            checksums[stem] = pooch.file_hash(folder / f"{stem}.gz")
        monkeypatch.setattr(training, "CHECKSUMS", checksums)

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *args):
                pass

        handler = functools.partial(Quiet, directory=folder)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield folder, f"http://127.0.0.1:{server.server_port}/"
            server.shutdown()
            thread.join()

    def test_downloads_all_four(self, mirror, tmp_path):
        folder, url = mirror
        fetch_mnist(tmp_path / "data", url)
        names = {path.name for path in (tmp_path / "data").iterdir()}
        assert names == {path.name for path in folder.iterdir()} and len(names) == 4
        # What is there already is not asked for again.
        for path in folder.iterdir():
            path.unlink()
        fetch_mnist(tmp_path / "data", url)

    def test_refuses_other_content(self, mirror, tmp_path):
        folder, url = mirror
        (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"forged")
        with pytest.raises(RangeError, match=r"t10k-labels-idx1-ubyte.gz cannot be fetched"):
            fetch_mnist(tmp_path / "data", url)
        assert not (tmp_path / "data" / "t10k-labels-idx1-ubyte.gz").exists()

    def test_names_a_file_that_is_not_there(self, mirror, tmp_path):
        _, url = mirror
        with pytest.raises(RangeError, match="cannot be fetched from"):
            fetch_mnist(tmp_path / "data", url + "nowhere/")


def test_each_layer_may_have_noise_of_its_own():
    even, listed = (
        TrainingSettings(hidden=(8,), f2=0.7),
        TrainingSettings(hidden=(8,), f2=(0.7, 0.7)),
    )
    assert even.f2_of_layers == listed.f2_of_layers == (0.7, 0.7)
    assert TrainingSettings(f2=None).f2_of_layers == ()
    for f2, message in (
        ((0.7, 1, 2), "f2 is given for 3 layers; allowed: for 2"),
        ((1, 0), "f2 = 0"),
    ):
        with pytest.raises(RangeError, match=message):
            TrainingSettings(hidden=(8,), f2=f2)
    pytest.importorskip("torch")
    import torch

    from shotveil.host.run.training import _forward

    weights, x = [torch.ones(8, 4), torch.ones(3, 8)], torch.ones(2000, 4)

    def spread(*f2):
        settings = TrainingSettings(hidden=(8,), f2=f2)
        return float(_forward(weights, x, settings, torch.Generator().manual_seed(1)).std())

    # 8 inputs of 4 with a weight of 1 each: the last layer's noise is 4·√8/F.
    assert spread(1e12, 4.0) == pytest.approx(4 * 8**0.5 / 2, rel=0.05)
    assert spread(1e12, 1e12) < 1e-3 and spread(4.0, 1e12) > 1


class TestCourse:
    """From one epoch to the next, and what travels with the network."""

    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch")

    def held_out(self, **changes):
        base = {"hidden": (16,), "f2": 5.0, "epochs": 6, "batch": 50, "validation": 0.2}
        return TrainingSettings(**base | {"threads": 1} | changes)

    def test_goes_on_after_a_kill_and_ends_with_the_same_network(self, tmp_path):
        images, labels = TestWithTorch.toy()
        settings, state = self.held_out(), tmp_path / "state"
        whole = train(settings, images, labels)

        def die(now):
            if now.epoch == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(settings, images, labels, resume=state, progress=die)
        seen = []
        again = train(settings, images, labels, resume=state, progress=seen.append)
        assert [now.epoch for now in seen] == [4, 5, 6]
        assert again.digest == whole.digest
        assert again.about == whole.about
        assert not state.exists()

    def test_does_not_go_on_from_other_settings_or_damaged_files(self, tmp_path):
        images, labels = TestWithTorch.toy()
        state = tmp_path / "state"

        def die(now):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(self.held_out(), images, labels, resume=state, progress=die)
        with pytest.raises(RangeError, match="other settings or data"):
            train(self.held_out(seed=2), images, labels, resume=state)
        state.write_bytes(b"nothing of the kind")
        with pytest.raises(RangeError, match="no state of training"):
            train(self.held_out(), images, labels, resume=state)

    def test_keeps_the_best_epoch_and_stops_when_it_gets_no_better(self):
        images, labels = TestWithTorch.toy()
        ended = []
        network = train(self.held_out(epochs=40, patience=2), images, labels, progress=ended.append)
        curve = [now.held_out for now in ended]
        assert len(curve) < 40
        assert max(curve) == curve[-3]
        shorter = train(
            self.held_out(epochs=40, patience=1), images, labels, progress=lambda _: None
        )
        seen = [each["held_out"] for each in network.about["learning_curve"]]
        assert seen == curve
        best = max(each["held_out"] for each in shorter.about["learning_curve"])
        assert best <= max(curve)

    def test_inputs_of_any_size_and_names_travel_with_the_network(self):
        images, labels = TestWithTorch.toy()
        settings = TrainingSettings(
            hidden=(), f2=None, bias=True, normalise=True, epochs=30, batch=20, learning_rate=0.02
        )
        names = tuple("abcdefghij")
        network = train(settings, 1000 * images - 300, labels, classes=names)
        said = network.plan.task.of(network.forward(1000 * images - 300))
        assert (said == np.array(names)[labels]).mean() > 0.9

    def test_a_front_end_travels_with_the_network(self):
        images, labels = load_mnist()
        front_end = learn_front_end(images[:300], dictionary=8)
        settings = TrainingSettings(hidden=(), f2=20, bias=True, epochs=6, learning_rate=5e-3)
        network = train(settings, images[:2000], labels[:2000], front_end=front_end)
        assert network.inputs == 784
        assert network.layers[0].inputs == front_end.features
        right = network.forward(images[2000:3000]).argmax(axis=1) == labels[2000:3000]
        assert right.mean() > 0.85
