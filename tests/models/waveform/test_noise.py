import numpy as np

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
