import numpy as np
import pytest
from PIL import Image

from shotveil.host.run import pictures
from shotveil.host.run.pictures import read_pictures
from shotveil.models.common.checks import RangeError

GREY = np.array([[0, 51, 255], [1, 2, 3]], np.uint8)
COLOURED = np.stack([GREY, GREY // 2, GREY // 3], axis=2)


def save(array, path, mode=None, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(path, **how)


def test_folders_are_classes(tmp_path):
    for name in ("owl/2.png", "owl/1.bmp", "cat/3.pgm", "cat/.hidden", ".git/4.png"):
        save(GREY, tmp_path / name, **({"format": "PNG"} if "hid" in name else {}))
    save(GREY.astype(np.uint16) * 257, tmp_path / "cat/0.png")
    x, y = read_pictures(tmp_path)
    assert y.tolist() == ["cat", "cat", "owl", "owl"]
    np.testing.assert_allclose(x, np.broadcast_to(GREY / 255, (4, 2, 3)), atol=1e-7)
    assert x.dtype == np.float32


def test_coloured_pictures_have_three_channels_first(tmp_path):
    save(COLOURED, tmp_path / "10" / "a.png")
    save(COLOURED, tmp_path / "9" / "a.ppm")
    save(GREY, tmp_path / "9" / "b.png", "P")
    x, y = read_pictures(tmp_path)
    assert y.tolist() == [10, 9, 9]
    np.testing.assert_allclose(x[:2], np.stack([COLOURED.transpose(2, 0, 1) / 255] * 2), atol=1e-7)
    np.testing.assert_allclose(x[2], np.stack([GREY / 255] * 3), atol=1e-7)


@pytest.mark.parametrize(
    ("array", "how", "message"),
    [
        (COLOURED, {}, r"b\.png has shape \(3, 2, 3\); allowed: \(2, 3\), as the first picture"),
        (GREY.T, {}, r"has shape \(3, 2\)"),
        (np.dstack([COLOURED, GREY]), {}, "has the mode RGBA"),
        (GREY, {"transparency": 0}, "is transparent"),
        (GREY, {"save_all": True, "append_images": [Image.fromarray(255 - GREY)]}, "is animated"),
    ],
)
def test_other_pictures_are_refused(tmp_path, array, how, message):
    save(GREY, tmp_path / "c" / "a.png")
    save(array, tmp_path / "c" / "b.png", **how)
    with pytest.raises(RangeError, match=message):
        read_pictures(tmp_path)


def test_other_files_damage_and_bombs_are_refused(tmp_path, monkeypatch):
    with pytest.raises(RangeError, match="holds no picture"):
        read_pictures(tmp_path)
    save(GREY, tmp_path / "c" / "a.png")
    whole = (tmp_path / "c" / "a.png").read_bytes()
    other = tmp_path / "c" / "b.png"
    for data in (b"", b"nonsense", whole[:45], whole[:30]):
        other.write_bytes(data)
        with pytest.raises(RangeError, match=r"b\.png is damaged or no picture"):
            read_pictures(tmp_path)
    save(np.zeros((9000, 9000), np.uint8), other)
    with pytest.raises(RangeError, match=r"unpacks to 81,000,000 bytes; allowed: at most 67,"):
        read_pictures(tmp_path)
    other.rename(tmp_path / "c" / "b.txt")
    with pytest.raises(RangeError, match=r"ends in '\.txt'; allowed: \.png, "):
        read_pictures(tmp_path)
    (tmp_path / "c" / "b.txt").unlink()
    save(GREY, other)
    monkeypatch.setattr(pictures, "unpacked_limit", lambda size: 11 if size == 0 else 1000)
    monkeypatch.setattr(pictures, "_EACH", -8 * other.stat().st_size)
    with pytest.raises(RangeError, match=r"folder .* unpacks to 12 bytes; allowed: at most 11"):
        read_pictures(tmp_path)
