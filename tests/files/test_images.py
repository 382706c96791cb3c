"""Images of every common format are read by content; damage and unread formats are told apart."""

from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from affectzoo.errors import AffectZooError, OptionError, UnreadableImageError
from affectzoo.files import decoding
from affectzoo.files.decoding import decode, format_of
from affectzoo.files.images import as_image, read_image

RANDOM = np.random.default_rng(0)
SMOOTH = cv2.resize(
    RANDOM.integers(0, 256, (12, 12, 3)).astype(np.uint8), (120, 90), interpolation=cv2.INTER_CUBIC
)
GRAY = cv2.cvtColor(SMOOTH, cv2.COLOR_RGB2GRAY)


def packed(image: Image.Image | np.ndarray, kind: str, **options: object) -> bytes:
    into = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(into, kind, **options)
    return into.getvalue()


KINDS = {
    "JPEG": packed(SMOOTH, "JPEG", quality=95),
    "progressive": packed(SMOOTH, "JPEG", quality=95, progressive=True),
    "CMYK": packed(Image.fromarray(SMOOTH).convert("CMYK"), "JPEG", quality=95),
    "PNG": packed(SMOOTH, "PNG"),
    "GIF": packed(SMOOTH, "GIF"),
    "WEBP": packed(SMOOTH, "WEBP", quality=95),
    "AVIF": packed(SMOOTH, "AVIF", quality=95),
    "BMP": packed(SMOOTH, "BMP"),
    "TIFF": packed(SMOOTH, "TIFF"),
    "LZW": packed(SMOOTH, "TIFF", compression="tiff_lzw"),
    "JPEG2000": packed(SMOOTH, "JPEG2000"),
    "PPM": packed(SMOOTH, "PPM"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_format_is_known_by_its_content(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "image.dat"
    path.write_bytes(KINDS[kind])
    image = read_image(path)
    assert image.shape == SMOOTH.shape and image.dtype == np.uint8 and image.flags.writeable
    assert np.abs(image.astype(int) - SMOOTH).mean() < 14


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_what_was_cut_off_is_damaged(kind: str, share: float) -> None:
    whole = KINDS[kind]
    with pytest.raises(UnreadableImageError, match=r"^x\.jpg: .*damaged"):
        decode(whole[: int(len(whole) * share)], "x.jpg")


NOISY = np.clip(cv2.resize(SMOOTH, (240, 180)) + RANDOM.normal(0, 6, (180, 240, 3)), 0, 255).astype(np.uint8)
ALPHA = Image.fromarray(NOISY).convert("RGBA")
LARGER = {
    **{f"JPEG {name}": packed(NOISY, "JPEG", **{name: True}) for name in ("optimize", "progressive")},
    **{
        kind: packed(NOISY, kind)
        for kind in ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "JPEG2000")
    },
    "JPEG gray": packed(NOISY[..., 0], "JPEG"),
    "PNG alpha": packed(ALPHA, "PNG"),
    "PNG 16": cv2.imencode(".png", NOISY.astype(np.uint16) << 8)[1].tobytes(),
    "WEBP alpha": packed(ALPHA, "WEBP"),
    "WEBP lossless": packed(NOISY, "WEBP", lossless=True),
    "LZW": packed(NOISY, "TIFF", compression="tiff_lzw"),
}
"""Images of some noise, as cameras'."""


@pytest.mark.parametrize("kind", LARGER)
@pytest.mark.parametrize(("start", "end"), [(1 / 2, 1), (0.9, 1), (1 / 3, 2 / 3)])
def test_zeros_in_place_of_a_part_are_damage(kind: str, start: float, end: float) -> None:
    whole = LARGER[kind]
    decode(whole, "x")
    first, last = int(len(whole) * start) // 4 * 4 + 50, int(len(whole) * end)
    with pytest.raises(UnreadableImageError, match="damaged"):
        decode(whole[:first] + bytes(last - first) + whole[last:], "x.jpg")


@pytest.mark.parametrize("color", [0, 128, 255])
@pytest.mark.parametrize("detail", [0, 9, 40])
def test_an_image_of_few_colors_is_not_damaged(color: int, detail: int) -> None:
    image = np.full((160, 200, 3), color, np.uint8)
    image[:detail, :detail] = NOISY[:detail, :detail]
    cv2.circle(image, (100, 80), detail, (10, 200, 90), -1)
    cv2.line(image, (0, 158), (199, 150), (255, 255, 255), 2)
    options: tuple[dict[str, object], ...] = ({}, {"optimize": True}, {"progressive": True}, {"quality": 5})
    for kind in ("JPEG", "WEBP", "AVIF", "GIF", "PNG", "BMP", "TIFF", "PPM", "JPEG2000"):
        for given in options if kind == "JPEG" else ({},):
            assert decode(packed(image, kind, **given), kind).shape == image.shape


def test_black_borders_are_not_damage() -> None:
    for angle in (0, 0.7, 5, 30):
        turn = cv2.getRotationMatrix2D((120, 90), angle, 0.8)
        turned = cv2.warpAffine(NOISY, turn, (240, 180))
        for kind in ("BMP", "TIFF", "PPM"):
            assert np.array_equal(decode(packed(turned, kind), kind), turned)


def test_png_and_its_sums() -> None:
    for kind in ("PNG", "PNG alpha", "PNG 16"):
        whole = LARGER[kind]
        place = len(whole) // 2
        with pytest.raises(UnreadableImageError, match="damaged PNG"):
            decode(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :], "x")


@pytest.mark.parametrize("side", [48, 240, 500])
def test_rows_that_a_decoder_would_invent_are_damage(side: int) -> None:
    image = np.full((side, side, 3), 120, np.uint8)
    cv2.circle(image, (side // 2, side // 2), side // 3, (200, 90, 20), -1)
    for options in ({}, {"progressive": True}, {"subsampling": 0}):
        whole = packed(image, "JPEG", **options)
        for keep in (len(whole) // 3, len(whole) // 2, len(whole) - 3):
            for rest in (b"", bytes(len(whole) - keep), bytes(10_000)):
                with pytest.raises(UnreadableImageError, match="damaged"):
                    decode(whole[:keep] + rest, "x.jpg")
        for after in (bytes(5000), b"\xff\xd8 another image", os.urandom(99)):  # cameras add things
            assert decode(whole + after, "x.jpg").shape == (side, side, 3)


def test_a_thumbnails_end_is_not_the_images() -> None:
    exif = Image.Exif()
    exif[0x010E] = "\xff\xd9" * 9
    whole = packed(SMOOTH, "JPEG", exif=exif.tobytes() + KINDS["JPEG"][:9000])
    assert decode(whole, "x").shape == SMOOTH.shape
    with pytest.raises(UnreadableImageError):
        decode(whole[:-1500], "x")


@pytest.mark.parametrize(
    ("begins", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "AVIF"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2", "video"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81", "video"),
        (b"RIFF\x24\0\0\0AVI LIST", "video"),
        (b"\xff\x0a\xfa\x7f", "JPEG XL"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"II*\0\x10\0\0\0CR\2\0", "camera raw"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_formats_that_are_not_read_are_named(begins: bytes, kind: str, tmp_path: Path) -> None:
    assert format_of(begins + bytes(60)) == kind
    if kind not in decoding.READ:
        for name in ("phone.heic", "x.jpg"):
            (tmp_path / name).write_bytes(begins + bytes(500))
            with pytest.raises(UnreadableImageError, match=f"{kind}.*convert") as stop:
                read_image(tmp_path / name)
            assert "damaged" not in str(stop.value)


@pytest.mark.parametrize(
    "data", [b"", b"x", b"hello, world" * 9, bytes(500), b"\xff\xd8\xff no image", b"BM" * 99]
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableImageError, match=r"^x\.jpg: "):
        decode(data, "x.jpg")


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *(("RGBA", kind) for kind in ("PNG", "WEBP", "GIF", "TIFF")),
        ("LA", "PNG"),
        ("LA", "TIFF"),
        ("P", "PNG"),
    ],
)
def test_transparent_parts_are_white(mode: str, kind: str) -> None:
    clear = Image.fromarray(SMOOTH).convert("RGBA")
    clear.paste((9, 9, 9, 0), (0, 0, 60, 90))
    image = decode(packed(clear.convert(mode), kind), "x")
    assert (image[:, :55] == 255).all()
    gray = np.abs(image[:, 65:].mean(axis=2) - SMOOTH[:, 65:].mean(axis=2))
    assert gray.mean() < 20


def test_an_opaque_image_is_the_same_with_alpha() -> None:
    assert np.array_equal(decode(packed(Image.fromarray(SMOOTH).convert("RGBA"), "PNG"), "x"), SMOOTH)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("ending", [".png", ".tiff"])
@pytest.mark.parametrize("colors", [GRAY, SMOOTH])
def test_sixteen_bits_hold_fewer(bits: int, ending: str, colors: np.ndarray) -> None:
    values = colors.astype(np.uint16) << (bits - 8)
    values.flat[0] = 2**bits - 1
    deep = values[..., ::-1] if values.ndim == 3 else values
    image = decode(cv2.imencode(ending, deep)[1].tobytes(), "x")
    expected = colors if colors.ndim == 3 else np.repeat(colors[..., None], 3, axis=2)
    assert np.array_equal(image[1:], expected[1:])


def test_floating_point_values_are_read_or_refused() -> None:
    share = (GRAY / 255).astype(np.float32)
    expected = np.repeat(GRAY[..., None], 3, axis=2)
    assert np.array_equal(decode(packed(share, "TIFF"), "x"), expected)
    assert np.array_equal(decode(packed(GRAY.astype(np.float32), "TIFF"), "x"), expected)
    color = cv2.imencode(".tiff", (SMOOTH[..., ::-1] / 255).astype(np.float32))[1].tobytes()
    assert np.array_equal(decode(color, "x"), SMOOTH)
    for wrong in (share * 9000, share - 5, np.full_like(share, np.nan)):
        with pytest.raises(UnreadableImageError, match="values from"):
            decode(packed(wrong, "TIFF"), "x")


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_few_colors(mode: str) -> None:
    image = Image.fromarray(SMOOTH).convert(mode)
    for kind in ("PNG", "TIFF", "BMP", "GIF"):
        assert np.array_equal(decode(packed(image, kind), "x"), np.asarray(image.convert("RGB"))), kind


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied(kind: str) -> None:
    upright = np.zeros((32, 64, 3), np.uint8)
    upright[:, :32] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    for alpha in (False, kind != "JPEG"):
        turned = Image.fromarray(np.ascontiguousarray(np.rot90(upright)))
        data = packed(turned.convert("RGBA") if alpha else turned, kind, exif=exif)
        image = decode(data, "x")
        assert image.shape == upright.shape and np.abs(image.astype(int) - upright).mean() < 5


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_orientation_of_deep_png_is_applied(channels: int) -> None:
    upright = np.zeros((32, 64, channels), np.uint16)
    upright[:, :32] = 65535
    upright[..., 3:] = 65535
    ok, png = cv2.imencode(".png", np.ascontiguousarray(np.rot90(upright)))
    exif = Image.Exif()
    exif[0x0112] = 6
    notes = exif.tobytes().removeprefix(b"Exif\0\0")
    head, body = png.tobytes()[:33], png.tobytes()[33:]  # after IHDR
    part = struct.pack(">I", len(notes)) + b"eXIf" + notes + struct.pack(">I", zlib.crc32(b"eXIf" + notes))
    image = decode(head + part + body, "x")
    assert ok and np.array_equal(image, np.repeat(upright[..., :1], 3, axis=2) >> 8)


def test_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (20, 20), color) for color in ((250, 0, 0), (0, 250, 0))]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        data = packed(frames[0], kind, save_all=True, append_images=frames[1:])
        assert decode(data, "x")[10, 10, 0] > 240, kind


def test_images_that_would_fill_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    png = bytearray(KINDS["PNG"])
    png[16:24] = (100_000).to_bytes(4, "big") * 2
    jpeg = bytearray(KINDS["JPEG"])
    place = jpeg.index(b"\xff\xc0")
    jpeg[place + 5 : place + 9] = b"\xff\xdc" * 2
    for data in (bytes(png), bytes(jpeg)):
        with pytest.raises(UnreadableImageError, match=r"pixels are more than 268 million"):
            decode(data, "x")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UnreadableImageError, match="more pixels than"):
        decode(KINDS["WEBP"], "x")


def test_flipped_bits_raise_nothing_else() -> None:
    for kind, whole in KINDS.items():
        for seed in range(12):
            random = np.random.default_rng(seed)
            data = bytearray(whole)
            for place in random.integers(0, len(data), 8):
                data[place] ^= 1 << random.integers(8)
            try:
                assert decode(bytes(data), kind).ndim == 3
            except UnreadableImageError as error:
                assert str(error).startswith(f"{kind}: ")


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "folder.jpg").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s.jpg"))
        told = {
            "pipe.jpg": "a pipe",
            "s.jpg": "a socket",
            "gone.jpg": "a link to nowhere.jpg",
            "folder.jpg": "",
        }
        for name, what in told.items():
            with pytest.raises(UnreadableImageError, match=f"{name}: .*{what}"):
                read_image(tmp_path / name)
    for wrong in (Path("/dev/zero"), Path("nowhere.jpg"), Path("a\0b"), Path("x" * 300)):
        with pytest.raises(UnreadableImageError):
            read_image(wrong)


# What programs hold


def test_every_holder_gives_the_same_image(tmp_path: Path) -> None:
    data = packed(SMOOTH, "PNG")
    at_its_end = io.BytesIO(data)
    at_its_end.read()
    holders = {
        "array": SMOOTH,
        "view": np.ascontiguousarray(SMOOTH[:, ::-1])[:, ::-1],
        "Pillow": Image.fromarray(SMOOTH),
        "lazy Pillow": Image.open(io.BytesIO(data)),
        "tensor": torch.from_numpy(SMOOTH.transpose(2, 0, 1).copy()),
        "tensor, channels last": torch.from_numpy(SMOOTH.copy()),
        "bytes": data,
        "bytearray": bytearray(data),
        "memoryview": memoryview(data),
        "file": at_its_end,
    }
    for name, holder in holders.items():
        assert np.array_equal(as_image(holder, name), SMOOTH), name


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (None, "cv2.imread gives None"),
        (3, "a int; expected a path"),
        (np.zeros((9, 9, 3)), "float64 .* as uint8"),
        (torch.zeros(3, 9, 9), "float32 .* as uint8"),
        (torch.zeros(3, 9, 9, dtype=torch.bfloat16), "bfloat16"),
        (np.zeros((3, 9, 9), np.uint8), "transpose"),
        (np.zeros((9, 9), np.uint8), r"of shape \(9, 9\)"),
        (np.zeros((0, 9, 3), np.uint8), r"\(0, 9, 3\)"),
        (io.StringIO("x"), "rb"),
    ],
)
def test_anything_else_gets_one_sentence(value: object, hint: str) -> None:
    with pytest.raises(OptionError, match=rf"^input 7 is .*{hint}"):
        as_image(value, "input 7")


def test_damaged_contents_are_unreadable(tmp_path: Path) -> None:
    cut = packed(SMOOTH, "PNG")[:900]
    closed = io.BytesIO(cut)
    closed.close()
    for value in (cut, io.BytesIO(cut), Image.open(io.BytesIO(cut)), closed):
        with pytest.raises(AffectZooError, match="input 7"):
            as_image(value, "input 7")
