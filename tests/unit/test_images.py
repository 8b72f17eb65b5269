"""Image files as cameras, scanners and programs write them: read as they are meant, or refused."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vitbench.cli import predict
from vitbench.cli.main import main
from vitbench.errors import UserError
from vitbench.measure.folder import folder_photos, listed
from vitbench.measure.images import SEVERAL, TRANSPARENT, TURNED, changes_of, read_image
from vitbench.measure.sample import make_sample

GREY = np.random.default_rng(3).integers(0, 256, (16, 20), np.uint8)
DEEP = GREY.astype(np.uint16) * 257
SCALED = "16 bits a band, scaled to 8"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png16(values, colour):
    """A PNG of 16 bits a band, (H, W, bands); Pillow writes none but grey ones."""
    height, width = values.shape[:2]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def tiff(values, bits, **tags):
    """A little-endian TIFF of one strip of values (H, W, bands), or of packed bytes."""
    rows, columns, bands = tags.pop("shape", None) or (*values.shape, 1)[:3]
    data = values if isinstance(values, bytes) else values.tobytes()
    found = {256: columns, 257: rows, 258: [bits] * bands, 259: 1, 262: 1, 273: 0, 277: bands,
             278: rows, 279: len(data), 339: [1] * bands}  # fmt: skip
    found.update({int(tag[1:]): value for tag, value in tags.items()})
    start = 8 + 2 + 12 * len(found) + 4
    extra, entries = b"", b""
    for tag, value in sorted(found.items()):
        row = value if isinstance(value, list) else [value]
        packed = struct.pack(f"<{len(row)}{'I' if tag in (273, 279) else 'H'}", *row)
        if tag == 273:
            packed = b"STRP"
        if len(packed) > 4:
            extra, packed = extra + packed, struct.pack("<I", start + len(extra))
        kind = 4 if tag in (273, 279) else 3
        entries += struct.pack("<HHI", tag, kind, len(row)) + packed.ljust(4, b"\0")
    entries = entries.replace(b"STRP", struct.pack("<I", start + len(extra)))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(found)) + entries + b"\0" * 4 + extra + data


def twelve_bits(values):
    """Two values in three bytes."""
    bits = "".join(f"{value:012b}" for value in values.ravel())
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def saved(image, path, **options):
    image.save(path, **options)
    return path


def read(path, content=None):
    """The pixels of a file, and what was done to them."""
    if content is not None:
        path.write_bytes(content)
    image = read_image(path)
    assert image.mode == "RGB"
    return np.asarray(image), changes_of(image)


def rgb(values=GREY):
    return np.dstack([values] * 3)


WHOLE = [
    ("png", lambda path: saved(Image.fromarray(DEEP), path), SCALED),
    ("jp2", lambda path: saved(Image.fromarray(DEEP), path, irreversible=False), SCALED),
    ("tif", lambda path: saved(Image.fromarray(DEEP), path), SCALED),
    ("tif", lambda path: path.write_bytes(tiff(65535 - DEEP, 16, t262=0)), SCALED),
    ("pgm", lambda path: path.write_bytes(b"P5 20 16 65535\n" + DEEP.byteswap().tobytes()), SCALED),
    ("png", lambda path: path.write_bytes(png16(rgb(DEEP), 2)), SCALED),
    ("tif", lambda path: path.write_bytes(tiff(rgb(DEEP), 16, t262=2)), SCALED),
    ("tif", lambda path: path.write_bytes(tiff(DEEP >> 4, 16)),
     "no value above 4095, taken for 12 bits and scaled to 8"),
    ("tif", lambda path: path.write_bytes(tiff(twelve_bits(DEEP >> 4), 12, shape=(16, 20, 1))),
     "no value above 4095, taken for 12 bits and scaled to 8"),
    ("png", lambda path: saved(Image.fromarray(GREY.astype(np.uint16)), path),
     "no value above 255, taken for 8 bits"),
    ("tif", lambda path: saved(Image.fromarray(GREY.astype(np.int32)), path),
     "no value above 255, taken for 8 bits"),
    ("tif", lambda path: saved(Image.fromarray(DEEP.astype(np.int32)), path), SCALED),
    ("tif", lambda path: saved(Image.fromarray(GREY.astype(np.float32) / 255), path),
     "floats from 0 to 1, scaled to 8 bits"),
    ("tif", lambda path: saved(Image.fromarray(GREY.astype(np.float32)), path),
     "floats, rounded to 8 bits"),
]  # fmt: skip


@pytest.mark.parametrize(("ending", "write", "words"), WHOLE)
def test_more_than_eight_bits_are_scaled_and_said(tmp_path, ending, write, words):
    write(tmp_path / f"a.{ending}")
    pixels, changes = read(tmp_path / f"a.{ending}")
    assert np.abs(pixels.astype(int) - rgb()).max() <= (1 if ending == "tif" else 0)
    assert changes == (words,)


def test_what_has_eight_bits_is_as_it_was_and_nothing_is_said(tmp_path):
    for image in (Image.fromarray(GREY), Image.fromarray(rgb()), Image.fromarray(GREY > 99)):
        pixels, changes = read(saved(image, tmp_path / "a.png"))
        assert (pixels == np.asarray(image.convert("RGB"))).all()
        assert changes == ()
    solid = Image.fromarray(np.dstack([rgb(), np.full_like(GREY, 255)]))
    pixels, changes = read(saved(solid, tmp_path / "solid.png"))
    assert ((pixels == rgb()).all(), changes) == (True, ())
    cmyk = Image.fromarray(rgb()).convert("CMYK")
    pixels, changes = read(saved(cmyk, tmp_path / "cmyk.tif"))
    assert (pixels == np.asarray(cmyk.convert("RGB"))).all()
    assert changes == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (tiff(GREY.astype(np.float32) * 1e6, 32, t339=3), r"values from 0 to 2\.55e\+08"),
        (tiff(GREY.astype(np.float32) / 64 - 2, 32, t339=3), r"values from -2 to .*not 0 to 1 or"),
        (tiff(np.where(GREY > 9, GREY, np.nan).astype(np.float32), 32, t339=3), "not finite"),
        (tiff(GREY.astype(np.int32) * 300, 32, t339=2), r"values from 0 to 76500, not 0 to 65535"),
        (tiff(GREY.astype(np.int16) - 99, 16, t339=2), r"values from -99 to 156, not"),
        (tiff(GREY.astype(np.int8), 8, t339=2), "has signed bytes"),
        (png16(rgb(DEEP >> 4), 2), "16 bits a band and no value above 4095"),
        (tiff(np.dstack([GREY] * 5), 8, t262=2, t338=[0, 0]), "5 bands, of which 3 are colours"),
        (tiff(np.dstack([GREY] * 4), 8, t262=2, t338=[0]), "4 bands, of which 3 are colours"),
        (tiff(np.dstack([GREY] * 5), 8, t338=[0] * 4), "a TIFF with 5 bands of 8 bits, which"),
        (tiff(np.dstack([DEEP] * 7), 16, t262=2, t338=[0] * 4), "7 bands of 16 bits, which"),
        (tiff(GREY.astype(np.float16), 16, t339=3), "one band of 16 float bits, which Pillow"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is HEIC, which Pillow does not read"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(tmp_path, content, words):
    path = tmp_path / "odd.tif"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"/odd\.tif .*{words}"):
        read_image(path)


def test_pages_of_an_array_are_no_pictures_but_frames_and_pages_are(tmp_path):
    def both(name, **options):
        first, second = (Image.fromarray(rgb(each)) for each in (GREY, 255 - GREY))
        return saved(first, tmp_path / name, save_all=True, append_images=[second], **options)

    with pytest.raises(UserError, match=r"stack\.tif is a stack of 2 pages"):
        read_image(both("stack.tif", tiffinfo={270: '{"shape": [2, 16, 20]}'}))
    for name in ("a.gif", "a.webp", "a.mpo", "a.png", "a.tif"):
        options = {"lossless": True} if name == "a.webp" else {}
        pixels, changes = read(both(name, **options))
        assert np.abs(pixels.astype(int) - rgb()).mean() < 30
        assert changes == (SEVERAL,)


def transparent(mode):
    """An image whose left half is clear: black below white, so that a dropped alpha shows."""
    image = Image.new("RGBA", (8, 4), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 4, 4))
    if mode == "P":
        clear = Image.new("P", (8, 4), 1)
        clear.putpalette([9, 9, 9, 0, 0, 0])
        clear.paste(0, (0, 0, 4, 4))
        return clear
    return image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGBA", {}),
        ("LA", {}),
        ("P", {"transparency": 0}),
        ("P", {"transparency": bytes([0, 255])}),
        ("RGB", {"transparency": (0, 0, 0)}),
    ],
)
def test_what_is_transparent_stands_on_white(tmp_path, mode, options):
    pixels, changes = read(saved(transparent(mode), tmp_path / "a.png", **options))
    assert (pixels[:, :4] == 255).all()
    assert (pixels[:, 4:] == 0).all() or mode == "RGB"
    assert changes == (TRANSPARENT,)


def test_sixteen_bits_with_alpha_are_both(tmp_path):
    alpha = np.where(np.arange(20) < 10, 0, 65535).astype(np.uint16) * np.ones_like(DEEP)
    for values, colour in ((np.dstack([DEEP, alpha]), 4), (np.dstack([rgb(DEEP), alpha]), 6)):
        pixels, changes = read(tmp_path / "a.png", png16(values, colour))
        assert (pixels[:, :10] == 255).all()
        assert (pixels[:, 10:] == rgb()[:, 10:]).all()
        assert changes == (SCALED, TRANSPARENT)
    clear = Image.fromarray(DEEP)
    pixels, changes = read(saved(clear, tmp_path / "a.png", transparency=int(DEEP[0, 0])))
    assert (pixels[DEEP[0, 0] == DEEP] == 255).all()
    assert changes == (SCALED, TRANSPARENT)


def test_an_orientation_is_left_alone_as_the_loaders_of_models_leave_it(tmp_path):
    """timm's ImageDataset and torchvision's ImageFolder convert; so does a processor's user."""
    from torchvision.datasets.folder import pil_loader
    from transformers import ViTImageProcessor

    processor = ViTImageProcessor(size={"height": 16, "width": 20})
    image, exif = Image.fromarray(rgb()), Image.Exif()
    for orientation, changes in ((6, (TURNED,)), (1, ())):
        exif[0x0112] = orientation
        path = saved(image, tmp_path / "a.jpg", exif=exif)
        pixels, found = read(path)
        assert (pixels == np.asarray(pil_loader(str(path)))).all()
        assert found == changes
        with Image.open(path) as opened:
            theirs = processor(images=opened, return_tensors="np")["pixel_values"]
        ours = processor(images=Image.fromarray(pixels), return_tensors="np")["pixel_values"]
        assert (theirs == ours).all()
    # A TIFF is turned by Pillow itself, so that those loaders turn it too.
    path = saved(image, tmp_path / "a.tif", tiffinfo={274: 6})
    pixels, found = read(path)
    assert (pixels == np.asarray(pil_loader(str(path)))).all()
    assert (pixels.shape, found) == ((20, 16, 3), ())


def test_damaged_metadata_do_no_harm(tmp_path):
    exif = b"Exif\0\0II*\0\xff\xff\xff\x7f" + b"\xff" * 40
    pixels, changes = read(saved(Image.fromarray(rgb()), tmp_path / "a.jpg", exif=exif))
    assert (pixels.shape, changes) == ((16, 20, 3), ())


def test_files_are_images_by_content_and_the_others_are_named(tmp_path):
    image = Image.fromarray(rgb())
    for name, kind in (("a", "PNG"), ("B.JPE", "JPEG"), ("c.dat", "WEBP"), ("d.avif", "AVIF"),
                       ("e.jp2", "JPEG2000")):  # fmt: skip
        saved(image, tmp_path / name, format=kind)
    saved(image, tmp_path / "raw.NEF", format="TIFF")
    for name in ("x.heic", "notes.txt", "zero"):
        (tmp_path / name).write_bytes(b"" if name == "zero" else b"name,class\n")
    for name in ("Thumbs.db", ".DS_Store", "._a.jpg", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\0\0\0\1Bud1")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    listing = listed(tmp_path)
    assert sorted(listing.groups[None]) == ["B.JPE", "a", "c.dat", "d.avif", "e.jp2"]
    (remark,) = listing.remarks
    assert remark == (
        "--images: 5 files that Pillow does not read as images are left out: gone, notes.txt, "
        "raw.NEF and 2 more"
    )
    for photo in folder_photos(tmp_path, 9):
        assert photo.read().size == (20, 16)


def test_a_folder_without_a_readable_image_names_what_it_holds(tmp_path):
    for name in ("x.heic", "notes.txt"):
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"has no images: .* 2 files .* notes\.txt, x\.heic"):
        listed(tmp_path)


def test_a_sample_says_what_was_done_to_which_images(tmp_path):
    for index in range(4):
        saved(Image.fromarray(DEEP), tmp_path / f"{index}.png")
    saved(Image.fromarray(GREY), tmp_path / "plain.png")
    photos = folder_photos(tmp_path, 9)

    def sized(image):
        return np.asarray(image, np.float32).transpose(2, 0, 1)

    sample = make_sample(photos, sized, None, "photos", ["first"])
    first, second = sample.remarks
    assert first == "first"
    assert second.startswith(f"--images: 4 of 5 images: {SCALED} (")
    assert second.endswith(" and 1 more)")


def test_predict_reads_by_the_same_rules(tmp_path, capsys, monkeypatch):
    def stop(*_):
        raise UserError("far enough")

    monkeypatch.setattr(predict, "session_of", stop)
    saved(Image.fromarray(DEEP), tmp_path / "deep.png")
    (tmp_path / "odd.tif").write_bytes(tiff(np.dstack([GREY] * 5), 8, t262=2, t338=[0, 0]))
    assert main(["predict", str(tmp_path / "deep.png")]) == 4
    told = capsys.readouterr()
    assert told.out == f"deep.png: {SCALED}\n"
    assert "far enough" in told.err
    assert main(["predict", str(tmp_path / "odd.tif")]) == 4
    told = capsys.readouterr()
    assert (told.out, "odd.tif has 5 bands" in told.err) == ("", True)
