import numpy as np

from shotveil.models.link.normals import fill_normals
from shotveil.models.waveform.noise import PAGE, Normals


def test_the_same_numbers_in_whatever_pieces():
    whole = Normals(np.random.default_rng(1)).take(3 * PAGE)
    pieces = Normals(np.random.default_rng(1))
    sizes = [1, PAGE - 2, 5, PAGE, 0, PAGE - 4]
    np.testing.assert_array_equal(whole, np.concatenate([pieces.take(n) for n in sizes]))


def test_pages_and_sources_differ_and_are_normal():
    one = Normals(np.random.default_rng(1)).take(8 * PAGE).astype(float)
    other = Normals(np.random.default_rng(2)).take(8 * PAGE).astype(float)
    error = 1 / np.sqrt(one.size)
    assert abs(one.mean()) < 5 * error and abs(one.var() - 1) < 5 * np.sqrt(2) * error
    assert abs(np.mean(one * other)) < 5 * error
    assert abs(np.mean(one[PAGE:] * one[:-PAGE])) < 5 * error


def test_numbers_stay_those_of_the_seed():
    """Pages are drawn by counter: the numbers are part of every result that is printed."""
    normals = Normals(np.random.default_rng(1))
    key = np.random.default_rng(1).integers(0, 1 << 63, 2, dtype=np.uint64)
    assert PAGE == 16384
    taken = normals.take(PAGE + 3)
    for page, part in ((0, taken[:PAGE]), (1, taken[PAGE:])):
        due = np.empty(PAGE, np.float32)
        counter = np.array([0, 0, page, 0], np.uint64)
        fill_normals(np.random.Generator(np.random.Philox(key=key, counter=counter)), due)
        np.testing.assert_array_equal(part, due[: len(part)])


def test_vacuum_is_pairs_of_the_numbers():
    pairs = Normals(np.random.default_rng(1)).complex(5)
    numbers = Normals(np.random.default_rng(1)).take(10)
    np.testing.assert_array_equal(pairs, numbers[::2] + 1j * numbers[1::2])
