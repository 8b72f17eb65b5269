"""Classes of images: which order of numbered folders was taken, and files of labels."""

import numpy as np
import pytest
from PIL import Image

from vitbench.errors import UserError
from vitbench.measure.classes import FROM_ONE, NUMBERS, TEXT, class_indices, order_taken, orders
from vitbench.measure.doubt import doubt
from vitbench.measure.folder import listed
from vitbench.measure.inputs import Inputs
from vitbench.measure.label_file import labelled
from vitbench.measure.options import Options
from vitbench.models.base import Label, Model, ModelSpec, Weights

TWENTY = [str(number) for number in range(20)]
NUMBERED = [Label(name, f"class {name}") for name in TWENTY]
LABELS = [Label("n01", "tench, Tinca tinca"), Label("n02", "tabby cat"), Label("n03", "crane")]


def test_orders_of_folders_that_are_numbers():
    found = orders(TWENTY, 20)
    assert set(found) == {NUMBERS, TEXT}
    assert (found[NUMBERS]["10"], found[TEXT]["10"], found[TEXT]["2"]) == (10, 2, 12)
    assert orders(["3", "19"], 20)[TEXT] == {"3": 13, "19": 11}
    one = orders([str(number) for number in range(1, 21)], 20)
    assert set(one) == {FROM_ONE, TEXT}
    assert (one[FROM_ONE]["20"], one[TEXT]["10"]) == (19, 1)
    padded = orders([f"{number:02}" for number in range(20)], 20)
    assert padded[NUMBERS] == padded[TEXT]
    assert orders(["cat", "ant"], 2) == {TEXT: {"ant": 0, "cat": 1}}
    assert orders(["cat", "ant"], 3) == {}


def test_the_order_that_was_taken_is_said():
    (words,) = order_taken(class_indices(TWENTY, NUMBERED), NUMBERED)
    assert "taken as class indices: 2 is class 2" in words
    assert "ImageFolder counts, it were class 12" in words
    from_one = [str(number) for number in range(1, 21)]
    (words,) = order_taken(class_indices(from_one, NUMBERED), NUMBERED)
    assert "taken as numbers from 1: 10 is class 9" in words
    # A model that knows its folders by name says itself which is which.
    own = [Label(name, name) for name in sorted(TWENTY)]
    assert class_indices(TWENTY, own)["10"] == 2
    assert order_taken(class_indices(TWENTY, own), own) == ()
    assert order_taken(class_indices(["n02"], LABELS), LABELS) == ()


def predictions(order, right, count=300):
    """Folders of images, and what is predicted: that share of them is right in the order."""
    random = np.random.default_rng(5)
    folders = [TWENTY[number % 20] for number in range(count)]
    lucky = random.random(count) < right
    return folders, [
        order[name] if hit else int(random.integers(20))
        for name, hit in zip(folders, lucky, strict=True)
    ]


def test_another_order_that_fits_is_a_warning_and_the_right_one_is_none():
    known = orders(TWENTY, 20)
    folders, top1 = predictions(known[TEXT], 0.6)
    words = doubt(top1, folders, known[NUMBERS], 20)
    assert "WRONG ORDER" in words
    assert "taken as class indices (chance: 5.0%)" in words
    assert f"taken {TEXT}" in words
    assert "WRONG ORDER" in doubt(top1, folders, {n: 19 - int(n) for n in TWENTY}, 20)
    assert doubt(top1, folders, known[TEXT], 20) is None
    folders, top1 = predictions(known[NUMBERS], 0.6)
    assert doubt(top1, folders, known[NUMBERS], 20) is None
    folders, top1 = predictions(known[NUMBERS], 0.0)
    assert doubt(top1, folders, known[NUMBERS], 20) is None
    assert doubt(top1, folders, None, 20) is None


def test_folders_that_only_fit_by_their_text_are_named():
    names = dict(zip(TWENTY, [f"x{number:02}" for number in range(20)], strict=True))
    folders, top1 = predictions({name: int(name) for name in TWENTY}, 0.5)
    words = doubt(top1, [names[folder] for folder in folders], None, 20)
    assert "no classes of the model, but float32" in words


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "val").mkdir()
    for index in range(4):
        Image.new("RGB", (6, 6), (index, 0, 0)).save(tmp_path / "val" / f"a {index}.JPEG", "PNG")
    return tmp_path / "val"


def classes(folder, text, encoding="utf-8"):
    path = folder.parent / "labels.txt"
    path.write_text(text, encoding=encoding)
    return labelled(listed(folder), path)


IDS = ("n01", "n02", "n03", "n01")
BOXES = "85 1 499 272"
WAYS = {
    "caffe": "a 0.JPEG 0\na 1.JPEG 1\na 2.JPEG 2\na 3.JPEG 0\n",
    "csv": "filename,label\n" + "".join(f"a {i}.JPEG,{c}\n" for i, c in enumerate(IDS)),
    "tsv": "".join(f"a {i}.JPEG\t{c}\t0\t32\t44\n" for i, c in enumerate(IDS)),
    "kaggle": "ImageId,PredictionString\n"
              + "".join(f"a {i},{c} {BOXES} {c} {BOXES} \n" for i, c in enumerate(IDS)),
    "floats": "".join(f"a {i}.JPEG,{c}.0\n" for i, c in enumerate((0, 1, 2, 0))),
    "flags": "image,label,seen\n" + "".join(f"a {i}.JPEG,{c},1\n" for i, c in enumerate(IDS)),
    "names": "a 0.JPEG tench\na 1.JPEG Tabby_cat\na 2.JPEG crane\na 3.JPEG tinca tinca",
    "quoted": 'a 0.JPEG,"tench, Tinca tinca"\na 1.JPEG,tabby cat\n'
              "a 2.JPEG,crane\na 3.JPEG,tench\n",
    "turned": ",class_id,path\n0,0,val/a 0.JPEG\n1,1,val\\a 1.JPEG\n2,2,./a 2.JPEG\n3,0,/a 3.JPEG",
    "semicolon": "# by hand\na 0.JPEG;0\na 1.JPEG;1\r\n\na 2.JPEG;2\na 3.JPEG;0",
    "one column": "n01\nn02\nn03\nn01\n",
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_of_labels_is_read_as_others_write_it(folder, way, encoding):
    found = classes(folder, WAYS[way], encoding)
    indices = class_indices(sorted(set(found.classes.values())), LABELS, "--labels")
    assert [indices[found.classes[f"a {i}.JPEG"]] for i in range(4)] == [0, 1, 2, 0]
    assert len(found.remarks) == (way == "one column")


def test_what_is_missing_is_counted_and_named(folder):
    found = classes(folder, "a 1.JPEG,0\na 0.JPEG,1\nother.JPEG,2\nmore,2\n")
    assert found.groups == {None: ["a 0.JPEG", "a 1.JPEG"]} or len(found.groups[None]) == 2
    one, two = found.remarks
    assert "2 images have no line in labels.txt and are left out: a 2.JPEG, a 3" in one
    assert "2 names in labels.txt without an image in the folder: other.JPEG, more" in two


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no lines"),
        ("x.jpg,1\ny.jpg,2\n", "none of its 2 lines names an image of --images, such as a 0"),
        ("1\n2\n", "2 lines of one column for 4 images"),
        ("a 0.JPEG,1\na 0.JPEG,2\n", "line 2: a 0.JPEG is '2' here and '1' before"),
        ("a 0.JPEG,1\na 1.JPEG,\n", "line 2 has no class"),
        ("image,cat,dog\na 0.JPEG,0.0,1.0\na 1.JPEG,1.0,0.0\n", "several columns of 0 and 1"),
    ],
)
def test_a_file_of_labels_that_does_not_fit_is_refused(folder, text, words):
    with pytest.raises(UserError, match=r"--labels .*labels\.txt.*") as refused:
        classes(folder, text)
    assert words in str(refused.value)


def inputs(folder, say=print, known=LABELS, **options):
    def preprocess(image):
        return np.asarray(image.resize((4, 4)), np.float32).transpose(2, 0, 1)

    spec = ModelSpec("m", "timm", "m", None, "m")
    weights = Weights("seeded", "0", None, True, "")
    model = Model(spec, None, {}, preprocess, tuple(known), weights, True)
    chosen = Options(models=(spec,), threads=1, cache=folder, images=folder, **options)
    return Inputs(chosen, lambda name: model, say)  # noqa: ARG005


def test_labels_change_labels_and_no_pixels(folder):
    path = folder.parent / "labels.txt"
    path.write_text(WAYS["csv"])
    plain, named = (inputs(folder, labels=each).sample("m") for each in (None, path))
    assert (plain.labels, sorted(named.labels)) == (None, [0, 0, 1, 2])
    assert named.ids == plain.ids
    assert named.files_sha256 == plain.files_sha256
    assert named.pixels_sha256 == plain.pixels_sha256
    beside = folder / "labels.txt"  # a list among the images is not left out: it is no image
    beside.write_text(WAYS["csv"])
    assert inputs(folder, labels=beside).remarks("m") == []
    (remark,) = inputs(folder).remarks("m")
    assert "1 file that Pillow does not read as images is left out: labels.txt" in remark
    beside.unlink()
    path.write_text(WAYS["csv"].replace("n0", "other"))
    with pytest.raises(UserError, match=r"--labels .*none of its classes, such as 'other1'"):
        inputs(folder, labels=path).sample("m")
    path.write_text(WAYS["csv"].replace("n03", "other"))
    with pytest.raises(UserError, match=r"--labels: class 'other' is no class of the model"):
        inputs(folder, labels=path).sample("m")


def test_a_wrong_order_is_said_once_and_stays_among_the_remarks(tmp_path):
    for index in range(120):
        path = tmp_path / str(index % 12) / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4), (index, 0, 0)).save(path)
    said = []
    run = inputs(tmp_path, said.append, NUMBERED[:12])
    (order,) = run.remarks("m")
    run.doubt("m", run.sample("m").labels)
    assert (said, run.remarks("m")) == ([], [order])

    by_text = sorted(TWENTY[:12])
    predicted = [by_text.index(photo.folder) for photo in run.photos]
    other = inputs(tmp_path, said.append, NUMBERED[:12])
    other.doubt("m", predicted[:20])  # a part of the sample tells nothing
    assert said == []
    for _ in range(2):
        other.doubt("m", predicted)
    (told,) = said
    assert "WRONG ORDER" in told
    assert other.remarks("m") == [order, told.removeprefix("m: ")]


def photographs(folder, count, shade=1):
    folder.mkdir()
    for index in range(count):
        Image.new("RGB", (4, 4), (index, shade, 0)).save(folder / f"{shade}-{index}.png")
    return folder


def test_images_of_the_user_calibrate_unless_they_are_judged(tmp_path):
    """By their content: a copy under another name is the same image."""
    judged, others = photographs(tmp_path / "val", 6), photographs(tmp_path / "train", 3, shade=2)
    for index in range(2):
        (others / f"copy-{index}.png").write_bytes((judged / f"1-{index}.png").read_bytes())
    run = inputs(judged, calibration=others)
    assert run.calibrated("m") is None
    assert sorted(run.calibration("m").ids) == ["2-0.png", "2-1.png", "2-2.png"]
    (remark,) = run.remarks("m")
    assert "judged on 2 images of its first 5, so others calibrate" in remark
    found = run.calibrated("m")
    assert found["sentence"] == "calibrated on 3 images of train, on none of which it is judged"
    assert (found["own"], found["count"]) == (True, 3)
    # Of one folder, those calibrate that are not judged; where all are, there is nothing to take.
    same = inputs(judged, calibration=judged, verify_images=4)
    assert not set(same.calibration("m").ids) & set(same.sample("m").ids)
    assert len(same.calibration("m").ids) == 2
    with pytest.raises(UserError, match=r"--calibration .*val: .*each of its images.*--verify-im"):
        inputs(judged, calibration=judged).calibration("m")


def test_a_calibration_on_scikit_images_pictures_says_so(tmp_path):
    run = inputs(photographs(tmp_path / "val", 2))
    run.calibration("m")
    words = run.calibrated("m")["sentence"]
    assert words.startswith("calibrated on 64 images of 11 photographs (scikit-image crops), which")
    assert "--calibration=DIR" in words
    assert run.remarks("m") == []


def test_folders_that_are_no_classes_are_said_to_be_none(tmp_path):
    for name in ("garden", "holiday"):
        (tmp_path / "data").mkdir(exist_ok=True)
        photographs(tmp_path / "data" / name, 1)
    run = inputs(tmp_path / "data")
    assert run.sample("m").labels is None
    (remark,) = run.remarks("m")
    assert "unlabelled: no folder (garden, holiday) is called as a class of the model" in remark


def test_class_folders_one_level_deeper_are_named(tmp_path):
    for name in ("n01", "n02"):
        for split in ("train", "val"):
            path = tmp_path / "data" / split / name / "a.png"
            path.parent.mkdir(parents=True)
            Image.new("RGB", (4, 4)).save(path)
    run = inputs(tmp_path / "data")
    assert run.sample("m").labels is None
    (remark,) = run.remarks("m")
    assert "train, val are no classes of the model, but the folders inside are" in remark
    assert remark.endswith(".../train")
    assert sorted(inputs(tmp_path / "data" / "val").sample("m").labels) == [0, 1]
