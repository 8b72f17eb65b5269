"""A sample of any size takes the same memory, and gives what one array gave."""

import hashlib
import tracemalloc
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vitbench.build import identity
from vitbench.build.artifacts import ArtifactCache
from vitbench.build.files import save_rows
from vitbench.case import Limits
from vitbench.errors import UserError
from vitbench.heads import BLOCK, HEADS, exchanged_images, exchanged_outputs, frame_of
from vitbench.judge.agreement import doomed
from vitbench.measure import gathered, spool
from vitbench.measure.agreement import compare, logits_by_batch
from vitbench.measure.columns import compact
from vitbench.measure.photos import Photo
from vitbench.measure.preprocessed import Preprocessed, only, wrapped
from vitbench.measure.sample import Sample, make_sample
from vitbench.measure.spool import Spool
from vitbench.models.preprocess import Described, as_array
from vitbench.runtimes import Deployment

RNG = np.random.default_rng(0)


@pytest.fixture
def folder(tmp_path):
    """Five image files."""
    made = tmp_path / "images"
    made.mkdir()
    for number in range(5):
        pixels = RNG.integers(0, 255, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(made / f"{number}.png")
    return made


def photos_of(folder):
    """Its photographs, and how often each was decoded."""
    decoded = Counter()

    def photo(file):
        def read():
            decoded[file.stem] += 1
            return Image.open(file).convert("RGB")

        return Photo(file.stem, file.stem, None, read, file)

    return [photo(file) for file in sorted(folder.iterdir())], decoded


def known(*more):
    transforms = pytest.importorskip("torchvision.transforms")
    steps = [transforms.CenterCrop(8), transforms.ToTensor()]
    return as_array(transforms.Compose([*more, *steps]))


def unknown(image):
    return np.asarray(image, np.float32).transpose(2, 0, 1)


def pixels(photos):
    return np.stack([unknown(photo.read()) for photo in photos])


def test_images_that_are_kept_are_made_once_and_are_those_that_are_made_again(folder, tmp_path):
    photos, decoded = photos_of(folder)
    wanted = pixels(photos)
    decoded.clear()
    kept = Preprocessed(photos, unknown, folder=tmp_path)
    again = Preprocessed(photos, unknown, folder=tmp_path, limit_bytes=5 * 8 * 8 * 3 * 4 - 1)
    assert (kept.fits, again.fits) == (True, False)
    assert kept.shape == again.shape == wanted.shape
    decoded.clear()
    for rows in (slice(None), slice(3, 1, -1), [4, 0, 0], np.array([2])):
        assert np.array_equal(kept[rows], wanted[rows])
    assert decoded == Counter("1234")  # image 0 said the shape
    decoded.clear()
    for _ in range(2):
        assert np.array_equal(again[:], wanted)
    assert decoded == Counter("01234" * 2)
    assert np.array_equal(np.asarray(kept), wanted)
    assert np.array_equal(wrapped(kept, 3, 4), wanted[[3, 4, 0, 1]])
    assert np.array_equal(only(kept, [4, 1])[1:], wanted[[1]])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]  # its file has no name


def test_the_digest_is_taken_along_the_way_and_is_that_of_one_array(folder):
    photos, decoded = photos_of(folder)
    wanted = hashlib.sha256(repr(("head", (5, 3, 8, 8))).encode() + pixels(photos).tobytes())
    for reads in ([range(5)], [[4], range(2), range(5)], []):
        images = Preprocessed(photos, unknown, [("head",)], limit_bytes=0)
        for rows in reads:
            assert images[list(rows)].any()
        decoded.clear()
        assert images.facts()["digests"] == [wanted.hexdigest()]
        assert sum(decoded.values()) == (0 if reads else 5)


def test_a_disk_without_room_keeps_no_image(folder, monkeypatch):
    monkeypatch.setattr(spool, "SPARE_BYTES", 2**62)
    photos, decoded = photos_of(folder)
    images = Preprocessed(photos, unknown)
    decoded.clear()
    assert np.array_equal(images[:], images[:])
    assert set(decoded.values()) == {2}
    with pytest.raises(UserError, match=r"cannot be kept in .*: no space is left; make room"):
        Spool(None, in_memory_bytes=3).append(np.ones((1, 2), np.float32))


def test_images_of_two_shapes_are_refused_by_name(folder):
    Image.new("RGB", (9, 8)).save(folder / "odd.png")
    with pytest.raises(UserError, match=r"makes \(3, 8, 9\) of odd and \(3, 8, 8\) of 0"):
        make_sample(photos_of(folder)[0], unknown, None, "images")


def test_the_key_of_a_large_sample_takes_no_image_and_says_what_pixels_depend_on(
    folder, tmp_path, monkeypatch
):
    def made(preprocess=None, labels=None, limit=0):
        photos, decoded = photos_of(folder)
        photos = [replace(photo, folder="a") for photo in photos]
        cache = ArtifactCache(tmp_path / "cache")
        labels = labels and {"a": labels}
        sample = make_sample(
            photos, preprocess or known(), labels, "images", cache=cache, limit_bytes=limit
        )
        return sample, sum(decoded.values())

    one, decodings = made()
    assert decodings == 1  # of the first, for the shape
    keys = {one.key, made(labels=1)[0].key, made(labels=2)[0].key}
    transforms = pytest.importorskip("torchvision.transforms")
    keys.add(made(known(transforms.Resize(8)))[0].key)
    keys.add(made(known(transforms.Resize(8, transforms.InterpolationMode.BICUBIC)))[0].key)
    assert len(keys) == 5
    assert made()[0].key == made(limit=10**9)[0].key == one.key
    installed = identity.environment.installed
    monkeypatch.setattr(identity.environment, "installed", lambda name: installed(name) + "+other")
    assert made()[0].key not in keys
    monkeypatch.undo()
    (folder / "4.png").write_bytes((folder / "3.png").read_bytes())
    assert made()[0].key not in keys


def test_what_earlier_runs_saw_is_not_looked_at_again(folder, tmp_path):
    cache = ArtifactCache(tmp_path / "cache")
    photos, decoded = photos_of(folder)
    first = make_sample(photos, known(), None, "images", cache=cache)
    assert sum(decoded.values()) == 5
    decoded.clear()
    second = make_sample(photos, known(), None, "images", cache=ArtifactCache(cache.folder))
    assert (second.sha256, second.pixels_sha256) == (first.sha256, first.pixels_sha256)
    assert sum(decoded.values()) == 1
    other = make_sample(photos, known(), None, "images", cache=cache, limit_bytes=0)
    assert other.pixels_sha256 == first.pixels_sha256


@pytest.mark.parametrize("how", ["function", "own step", "own code"])
def test_preprocessing_that_nobody_can_describe_counts_by_its_pixels(folder, how):
    transforms = pytest.importorskip("torchvision.transforms")

    class CenterCrop(transforms.CenterCrop):
        """Not torchvision's, and called as if."""

    preprocess = {
        "function": unknown,
        "own step": known(transforms.Lambda(lambda image: image)),
        "own code": known(CenterCrop(8)),
    }[how]
    sample = make_sample(photos_of(folder)[0], preprocess, None, "images", limit_bytes=0)
    assert sample.key == sample.sha256
    assert identity.of_pixels("files", preprocess) is None
    assert identity.of_pixels("files", Described(unknown, known().made_of)) is not None


def test_a_read_only_cache_serves(folder, tmp_path):
    blocked = tmp_path / "cache"
    blocked.write_text("no folder")
    sample = make_sample(photos_of(folder)[0], known(), None, "i", cache=ArtifactCache(blocked))
    assert len(sample.pixels_sha256) == 64


@pytest.mark.parametrize("most", [0, 10**9])
def test_rows_come_back_from_disk_as_from_memory(tmp_path, most):
    rows, kept = RNG.normal(size=(70, 5)).astype(np.float32), Spool(tmp_path, most)
    for start in range(0, 70, 8):
        kept.append(rows[start : start + 8])
    assert np.array_equal(kept.rows(), rows)
    assert isinstance(kept.rows().base, np.memmap) == (most == 0)
    with pytest.raises(ValueError, match=r"rows \(4,\) after rows \(5,\)"):
        kept.append(np.ones((1, 4), np.float32))
    assert [*tmp_path.iterdir()] == []


def test_rows_of_a_file_are_counted(tmp_path):
    save_rows(tmp_path / "a.npy", 3, [np.ones((2, 4)), np.ones((1, 4))])
    assert np.load(tmp_path / "a.npy").shape == (3, 4)
    for blocks, why in (
        ([np.ones((2, 4))], "2 rows were made, not 3"),
        ([np.ones((2, 4)), np.ones((1, 5))], r"rows \(5,\) after rows \(4,\)"),
    ):
        with pytest.raises(ValueError, match=why):
            save_rows(tmp_path / "b.npy", 3, blocks)


@pytest.mark.parametrize("rows", [BLOCK - 1, 2 * BLOCK + 7])
def test_blocks_of_a_reference_have_the_frame_of_the_whole(rows):
    reference = RNG.normal(3, 2, size=(rows, 6)).astype(np.float32)
    reference[5, 1] = np.nan
    found, finite = frame_of(reference), np.delete(reference, 5, axis=0).astype(np.float64)
    assert np.array_equal(found.mean, finite.mean(0))
    assert np.array_equal(found.spread, finite.std(0))


def test_a_swapped_pair_is_found_across_blocks_and_no_other():
    reference = RNG.normal(size=(2 * BLOCK + 9, 12)).astype(np.float32)
    own = reference + RNG.normal(size=reference.shape).astype(np.float32) / 50
    assert exchanged_images(own, reference, np.asarray) == []
    assert exchanged_outputs(own, reference, np.asarray) == []
    own[[3, 2 * BLOCK]] = own[[2 * BLOCK, 3]]
    assert exchanged_images(own, reference, np.asarray) == [(3, 2 * BLOCK)]
    own[[3, 2 * BLOCK]] = own[[2 * BLOCK, 3]]
    own[:, [4, 11]] = own[:, [11, 4]]
    assert exchanged_outputs(own, reference, np.asarray) == [(4, 11)]


def test_nearest_neighbours_are_sought_among_all_blocks():
    reference = RNG.normal(size=(5000, 3)).astype(np.float32)
    frame, clusters = frame_of(reference), [f"{number // 2}" for number in range(5000)]
    found = HEADS["embedding"].finish(reference, reference, frame, clusters)["neighbour"]
    units = reference - frame.mean
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    for image in (0, 1, 1023, 1024, 4095, 4096, 4999):
        cosines = units @ units[image]
        cosines[[image, image ^ 1]] = -np.inf
        assert found[image] == cosines.argmax()


def test_a_large_sample_is_looked_at_less_often_and_ends_at_the_same_image(monkeypatch):
    looks = Counter()
    count, limits = 600, Limits(agreement=0.9, relative_error=0.2, cosine=0.9, reason="")
    ids = tuple(map(str, range(count)))
    images = RNG.normal(size=(count, 1, 1, 4)).astype(np.float32)
    sample, reference = Sample(ids, ids, None, images, "planted", "0"), images.reshape(count, 4)

    def measured(wrong):
        def call(batch):
            looks["calls"] += 1
            outputs = batch.reshape(len(batch), 4)
            return outputs if looks["calls"] < wrong else -outputs

        def look(found):
            looks["looks"] += 1
            return doomed(found, limits)

        looks.clear()
        asked = Deployment(lambda x: x, call, lambda x: x)
        return compare(asked, sample, reference, 1, list("abcd"), False, look)

    for wrong in (440, 10, 10**9):
        monkeypatch.setattr(gathered, "ALWAYS", 10**9)
        every, often = measured(wrong), looks["looks"]
        monkeypatch.setattr(gathered, "ALWAYS", 64)
        assert measured(wrong) == every
        assert looks["looks"] < often / 2 or wrong == 10
        assert (len(every["top1"]) < count) == (wrong < count)


def test_what_is_compact_reads_as_the_lists_that_it_was():
    lists = {"a": [1.5, 2.0], "b": [1, 2**40], "c": [True, False], "d": [[1]], "e": [], "f": None}
    found = compact(lists)
    assert {key: value and [*value] for key, value in found.items()} == {**lists, "c": [1, 0]}
    assert sum(found["a"]) == sum(lists["a"])
    assert [type(found[key]) is list for key in "abcde"] == [False, False, False, True, True]


def test_memory_does_not_grow_with_the_sample(tmp_path):
    """An image of 48 kB; one array of the large sample would be 58 MB."""

    def peak(count):
        def read(number):
            return Image.new("RGB", (64, 64), (number % 256, number // 256, 0))

        photos = [
            Photo(str(number), str(number), None, lambda number=number: read(number))
            for number in range(count)
        ]
        asked = Deployment(lambda x: x, lambda x: x.mean((2, 3)) @ np.eye(3, 9), np.asarray)
        tracemalloc.start()
        try:
            sample = make_sample(photos, unknown, None, "made", cache=ArtifactCache(tmp_path))
            logits = np.concatenate([*logits_by_batch(asked, sample.images, 8)])
            compare(asked, sample, logits, 8, list("abcdefghi"), True, lambda _: False)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(20)  # imports
    small, large = peak(200), peak(1200)
    assert large - small < 1000 * 48 * 1024 / 8
