import shutil
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vitbench.errors import UserError
from vitbench.measure.classes import class_indices
from vitbench.measure.crops import default_photos
from vitbench.measure.folder import folder_photos
from vitbench.measure.images import read_image
from vitbench.measure.sample import make_sample
from vitbench.models.base import Label


def save(path, colour=(255, 0, 0), size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def preprocess(image):
    return np.asarray(image.resize((4, 4)), np.float32).transpose(2, 0, 1)


@pytest.fixture
def tree(tmp_path):
    for folder, count in (("cat", 5), ("dog", 3), ("owl", 1)):
        for index in range(count):
            save(tmp_path / "photos" / folder / f"{index}.png", (index, len(folder), 0))
    return tmp_path / "photos"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width, height):
    """A PNG file that claims a size and holds no pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_default_photos_are_the_same_every_time_and_spread_evenly():
    photos, again = default_photos(), default_photos()
    assert len({photo.id for photo in photos}) == len(photos) == 256
    assert [photo.id for photo in photos] == [photo.id for photo in again]
    clusters = [photo.cluster for photo in photos]
    assert {clusters.count(cluster) for cluster in clusters} == {32}
    assert photos[24].id == "astronaut-003"
    assert photos[24].folder is None
    for photo, same in zip(photos[:24], again, strict=False):
        assert photo.read().mode == "RGB"
        assert photo.read().tobytes() == same.read().tobytes()


def test_default_photos_are_distinct_squares_of_many_sizes():
    crops = [photo.read() for photo in default_photos() if photo.cluster == "coffee"]
    sides = [crop.width for crop in crops]
    assert all(crop.width == crop.height for crop in crops)
    assert 160 <= min(sides) < 185
    assert 375 < max(sides) <= 400
    assert len({crop.resize((32, 32)).tobytes() for crop in crops}) == 32


def test_fewer_default_photos_are_the_first_of_more():
    for few, many in zip(default_photos(11), default_photos(20), strict=False):
        assert few.id == many.id
        assert few.read().tobytes() == many.read().tobytes()


def test_a_flat_folder_has_no_classes(tmp_path):
    for ending in ("jpg", "JPEG", "Png", "webp", "bmp", "tif", "tiff", "gif", "ppm"):
        save(tmp_path / f"a.{ending}")
    for ignored in ("README.md", "labels.csv", ".hidden.png", ".cache/b.png"):
        (tmp_path / ignored).parent.mkdir(exist_ok=True)
        (tmp_path / ignored).write_text("no image")
    photos = folder_photos(tmp_path, 100)
    assert len(photos) == 9
    for photo in photos:
        assert photo.folder is None
        assert photo.read().size == (8, 6)


def test_copies_of_a_file_are_one_photograph(tmp_path):
    for shade in range(6):
        for copy in range(1 + shade % 2):
            Image.new("RGB", (8, 6), (shade, 0, 0)).save(tmp_path / f"{shade}-{copy}.png")
    photos = folder_photos(tmp_path, 100)
    found = {photo.id: photo.cluster for photo in photos}
    assert (len(photos), len(set(found.values()))) == (9, 6)
    assert found["1-0.png"] == found["1-1.png"] != found["2-0.png"]
    (tmp_path / "1-0.png").unlink()
    assert photos[0].content() == photos[0].cluster  # a file is read once


def test_a_tree_has_its_first_folders_as_classes(tree):
    save(tree / "cat" / "indoors" / "deep.png")
    photos = folder_photos(tree, 100)
    assert {photo.folder for photo in photos} == {"cat", "dog", "owl"}
    assert next(photo.folder for photo in photos if photo.id == "cat/indoors/deep.png") == "cat"


@pytest.mark.parametrize(("limit", "counts"), [(3, (1, 1, 1)), (6, (3, 2, 1)), (9, (5, 3, 1))])
def test_the_choice_is_even_over_folders(tree, limit, counts):
    folders = [photo.folder for photo in folder_photos(tree, limit)]
    chosen = tuple(folders.count(name) for name in ("cat", "dog", "owl"))
    assert chosen == counts
    assert set(folders[:3]) == {"cat", "dog", "owl"}


def test_the_choice_does_not_depend_on_the_file_system(tree, tmp_path):
    other = tmp_path / "elsewhere"
    for path in sorted(tree.rglob("*.png"), reverse=True):
        target = other / path.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for limit in (4, 9):
        ids = [[photo.id for photo in folder_photos(folder, limit)] for folder in (tree, other)]
        assert ids[0] == ids[1]
        assert len(ids[0]) == limit


def test_a_folder_must_be_there_and_hold_images(tmp_path):
    with pytest.raises(UserError, match=r"--images .*/nowhere does not exist: give a folder"):
        folder_photos(tmp_path / "nowhere", 9)
    with pytest.raises(UserError, match=r"--images .*/a\.png is not a folder: give the folder of"):
        folder_photos(save(tmp_path / "a.png"), 9)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "README.md").write_text("nothing here")
    with pytest.raises(UserError, match=r"--images .*/empty has no images: .* \.bmp .*\.webp"):
        folder_photos(tmp_path / "empty", 9)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"<html>not found</html>", "is not an image"),
        (png_header(100, 100), "cannot be read (.*)"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"xy"), "(cannot be read (.*)|is not an image)"),
        (png_header(10_000, 10_000), "has more than [0-9]+ pixels, as decompression bombs have"),
        (png_header(60_000, 60_000), "has more than [0-9]+ pixels, as decompression bombs have"),
    ],
)
def test_a_broken_file_is_named(tmp_path, content, reason):
    (tmp_path / "broken.png").write_bytes(content)
    (photo,) = folder_photos(tmp_path, 9)
    with pytest.raises(UserError, match=rf"/broken\.png {reason}: repair it or .* --images"):
        photo.read()


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "bmp", "tif", "gif"])
def test_a_truncated_file_is_named(tmp_path, ending):
    path = tmp_path / f"cut.{ending}"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (photo,) = folder_photos(tmp_path, 9)
    with pytest.raises(UserError, match=rf"cut\.{ending} .*--images"):
        photo.read()


def test_a_file_that_vanished_and_a_folder_like_a_file(tmp_path):
    path = save(tmp_path / "a.png")
    (photo,) = folder_photos(tmp_path, 9)
    path.unlink()
    with pytest.raises(UserError, match=r"a\.png does not exist: "):
        photo.read()
    with pytest.raises(UserError, match=r" is a folder, not an image: give a readable image"):
        read_image(tmp_path)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    path = tmp_path / "a.tif"
    Image.new(mode, (5, 4)).save(path)
    assert read_image(path).mode == "RGB"


LABELS = [
    Label("n01", "tench, Tinca tinca"),
    Label("n02", "Tabby cat"),
    Label("n03", "crane"),
    Label("n04", "crane"),
]


@pytest.mark.parametrize(
    ("folders", "indices"),
    [
        (["n02", "n01"], {"n02": 1, "n01": 0}),
        (["tabby_CAT", "Tench"], {"tabby_CAT": 1, "Tench": 0}),
        (["Tinca  tinca", "n04"], {"Tinca  tinca": 0, "n04": 3}),
        (["tabby-cat"], {"tabby-cat": 1}),
        (["-1", "-2"], None),
        (["0", "003"], {"0": 0, "003": 3}),
        (["0", "4"], None),
        (["holiday", "garden"], None),
    ],
)
def test_folders_are_ids_names_or_indices(folders, indices):
    assert class_indices(folders, LABELS) == indices


def test_folders_that_match_in_part_or_doubly_are_named():
    with pytest.raises(UserError, match=r"--images: folder 'misc' is no class .*: rename"):
        class_indices(["n01", "misc", "n02"], LABELS)
    with pytest.raises(UserError, match=r"--images: folder 'crane' .* several classes .*by the"):
        class_indices(["crane", "n01"], LABELS)


def test_a_sample_is_preprocessed_and_digested(tree):
    photos = folder_photos(tree, 6)
    indices = {"cat": 2, "dog": 0, "owl": 1}
    sample = make_sample(photos, preprocess, indices, "photos")
    assert sample.ids == tuple(photo.id for photo in photos)
    assert sample.clusters == tuple(photo.content() for photo in photos)
    assert sample.labels == tuple(indices[photo.folder] for photo in photos)
    assert sample.images.shape == (6, 3, 4, 4)
    assert sample.images[:1].dtype == np.float32
    assert sample.source == "photos"
    assert make_sample(photos, preprocess, indices, "other").sha256 == sample.sha256
    others = [
        make_sample(photos, preprocess, None, "photos"),
        make_sample(photos[:5], preprocess, indices, "photos"),
        make_sample(photos, lambda image: preprocess(image) + 1, indices, "photos"),
    ]
    assert others[0].labels is None
    assert len({other.sha256 for other in others} | {sample.sha256}) == 4


def test_files_and_the_pixels_that_reach_a_model_have_digests_of_their_own(tree):
    def made(how=preprocess, labels=None):
        return make_sample(folder_photos(tree, 6), how, labels, "photos")

    one, brighter = made(), made(lambda image: preprocess(image) + 1)
    assert one.files_sha256 == brighter.files_sha256
    assert one.pixels_sha256 != brighter.pixels_sha256
    labelled = made(labels={"cat": 0, "dog": 1, "owl": 2})
    assert labelled.pixels_sha256 == one.pixels_sha256
    assert (one.labels_sha256, len(labelled.labels_sha256)) == (None, 64)
    save(tree / "cat" / "0.png", (9, 9, 9))
    assert made().files_sha256 != one.files_sha256
    assert made().pixels_sha256 != one.pixels_sha256
    # Of a crop the cut counts too: its file is the same for all crops of a photograph.
    crops = [make_sample([photo], preprocess, None, "crops") for photo in default_photos(9)]
    assert crops[0].files_sha256 != crops[8].files_sha256
    assert default_photos(1)[0].digest() == default_photos(2)[0].digest()


def test_an_image_beside_the_class_folders_is_named(tree):
    save(tree / "stray.png")
    with pytest.raises(UserError, match=r"stray\.png lies beside the class folders of --images"):
        make_sample(folder_photos(tree, 100), preprocess, {"cat": 0, "dog": 1, "owl": 2}, "photos")
