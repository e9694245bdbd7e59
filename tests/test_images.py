"""Image data sets: what is read, how it is decoded, what is left out, what is refused."""

import io
import json
import os
import re
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.image_folders import config, encoded, everything, grey, inputs, two_classes
from training import image_folders, images, machine
from training.data import open_dataset
from training.image_data import FileImages, ResidentImages
from training.inspect import inspect
from training.splits import DataError
from tui.digits import write_digits


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "digits"
    write_digits(folder)
    return folder


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_digits_are_split_by_class_and_every_image_is_in_one_split(digits: Path) -> None:
    dataset = open_dataset(config(digits))
    assert dataset.classes == tuple("0123456789")
    assert dataset.test is None
    assert dataset.skipped == ()
    counts = [split.labels.bincount(minlength=10) for split in (dataset.train, dataset.validation)]
    total = torch.tensor([len(list((digits / name).iterdir())) for name in dataset.classes])
    assert torch.equal(counts[0] + counts[1], total)
    assert torch.equal(counts[1], (total * 0.2 + 0.5).int())


def test_inputs_are_the_pixels_of_the_files(digits: Path) -> None:
    dataset = open_dataset(config(digits))
    for split in (dataset.train, dataset.validation):
        pixels = everything(split)
        assert pixels.shape == (len(split), 1, 8, 8)
        assert pixels.dtype == torch.uint8
    seen = {
        (label, bytes(image.numpy().tobytes()))
        for split in (dataset.train, dataset.validation)
        for label, image in zip(split.labels.tolist(), everything(split), strict=True)
    }
    files = {(int(path.parent.name), Image.open(path).tobytes()) for path in digits.rglob("*.png")}
    assert seen == files


def test_statistics_are_those_of_the_training_split(digits: Path) -> None:
    dataset = open_dataset(config(digits, channels=3, size=16))
    pixels = everything(dataset.train).double() / 255
    assert dataset.mean == pytest.approx(pixels.mean(dim=(0, 2, 3)).tolist(), rel=1e-9)
    assert dataset.std == pytest.approx(pixels.std(dim=(0, 2, 3), correction=0).tolist(), rel=1e-9)


def test_a_channel_that_never_changes_can_be_divided_by(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for number in range(3):
            path = tmp_path / name / f"{number}.bmp"
            grey(path, 0, (8, 8 + number))
    assert open_dataset(config(tmp_path)).std == (1.0,)


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (Image.new("L", (8, 8), 100), (100, 100, 100)),
        (Image.new("1", (8, 8), 1), (255, 255, 255)),
        (Image.new("RGB", (8, 8), (200, 100, 50)), (200, 100, 50)),
        (Image.new("RGB", (8, 8), (200, 100, 50)).convert("P", palette=Image.Palette.ADAPTIVE), (200, 100, 50)),
        (Image.fromarray(np.full((8, 8), 51_400, np.uint16)), (200, 200, 200)),
        (Image.new("LA", (8, 8), (100, 255)), (100, 100, 100)),
        (Image.new("LA", (8, 8), (100, 0)), (255, 255, 255)),
        (Image.new("RGBA", (8, 8), (0, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (8, 8), (200, 100, 50, 255)), (200, 100, 50)),
        (Image.new("RGBA", (8, 8), (0, 0, 0, 51)), (204, 204, 204)),
    ],
)
def test_every_mode_becomes_eight_bit_colour_or_grey_with_alpha_over_white(
    image: Image.Image, wanted: tuple[int, ...]
) -> None:
    pixels = images.decode(encoded(image), 8, 3).pixels
    assert pixels.reshape(3, -1).min(axis=1).tolist() == list(wanted)
    assert pixels.reshape(3, -1).max(axis=1).tolist() == list(wanted)
    luma = images.decode(encoded(image), 8, 1).pixels
    assert luma.shape == (1, 8, 8)
    assert luma.min() == luma.max() == round(0.299 * wanted[0] + 0.587 * wanted[1] + 0.114 * wanted[2])


def test_print_colours_and_transparent_palettes_are_converted() -> None:
    cmyk = images.decode(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), 8, 3).pixels
    assert np.abs(cmyk[:, 0, 0].astype(int) - [255, 0, 0]).max() < 10
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert (images.decode(encoded(palette, "GIF", transparency=1), 8, 3).pixels == 255).all()
    assert (images.decode(encoded(palette, "PNG", transparency=0), 8, 3).pixels[:, 0, 0] == [10, 20, 30]).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_each_format_is_read(kind: str) -> None:
    content = encoded(Image.new("RGB", (24, 24), (90, 90, 90)), kind)
    assert np.abs(images.decode(content, 16, 3).pixels.astype(int) - 90).max() <= 2


def test_sixteen_bits_big_endian_and_beyond() -> None:
    tall = Image.fromarray(np.full((8, 8), 65_535, np.uint16))
    assert (images.decode(encoded(tall, "TIFF"), 8, 1).pixels == 255).all()
    big_endian = b"P5 8 8 65535\n" + b"\x80\x00" * 64
    assert (images.decode(big_endian, 8, 1).pixels == 128).all()
    wide = Image.fromarray(np.full((8, 8), 70_000, np.int32))
    with pytest.raises(images.Unreadable, match="beyond 16 bits"):
        images.decode(encoded(wide, "TIFF"), 8, 1)
    with pytest.raises(images.Unreadable, match="floating-point"):
        images.decode(encoded(Image.new("F", (8, 8), 0.5), "TIFF"), 8, 1)


def test_a_photo_is_turned_as_its_camera_says() -> None:
    picture = Image.new("L", (32, 32), 0)
    picture.paste(255, (0, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise: what was the top is on the right
    pixels = images.decode(encoded(picture, "PNG", exif=exif.tobytes()), 32, 1).pixels[0]
    assert pixels[:, :8].max() == 0
    assert pixels[:, -8:].min() == 255
    exif[0x0112] = 8
    wide = images.decode(encoded(Image.new("L", (40, 20)), "JPEG", exif=exif.tobytes()), 8, 1)
    assert (wide.width, wide.height) == (20, 40)


def test_the_short_side_is_scaled_and_the_middle_cut_out() -> None:
    picture = Image.new("L", (64, 16), 10)
    picture.paste(200, (20, 0, 44, 16))
    assert (images.decode(encoded(picture), 8, 1).pixels == 200).all()
    assert (images.decode(encoded(picture.rotate(90, expand=True)), 32, 1).pixels == 200).all()


def test_large_photos_look_the_same_as_when_decoded_whole() -> None:
    ramp = np.linspace(0, 255, 800, dtype=np.uint8)
    picture = Image.fromarray(np.stack([*np.meshgrid(ramp, ramp), np.full((800, 800), 80, np.uint8)], axis=2))
    content = encoded(picture, "JPEG", quality=95)
    whole = Image.open(io.BytesIO(content)).resize((32, 32), Image.Resampling.BICUBIC)
    drafted = images.decode(content, 32, 3).pixels.transpose(1, 2, 0)
    assert np.abs(drafted.astype(int) - np.asarray(whole)).max() <= 3


def bomb(width: int, height: int) -> bytes:
    """A PNG file of few bytes that claims so many pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 1000)
    chunks = [
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in (header, data)
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_files_that_cannot_be_read_are_left_out_with_a_reason(tmp_path: Path) -> None:
    two_classes(tmp_path, each=8)
    content = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)))
    (tmp_path / "dark" / "truncated.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "dark" / "empty.png").write_bytes(b"")
    (tmp_path / "dark" / "page.png").write_bytes(b"<html>not found</html>")
    (tmp_path / "dark" / "drawing.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n")
    (tmp_path / "light" / "bomb.png").write_bytes(bomb(60_000, 60_000))
    (tmp_path / "light" / "half bomb.png").write_bytes(bomb(12_000, 12_000))
    (tmp_path / "light" / "notes.txt").write_text("labels by Ann")
    (tmp_path / "light" / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "light" / "loop.png").symlink_to("loop.png")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "light" / "pipe.png")
    (tmp_path / "read me.txt").write_text("about these images")
    dataset = open_dataset(config(tmp_path))
    assert len(dataset.train) + len(dataset.validation) == 16
    reasons = {skip.path: str(skip.reason) for skip in dataset.skipped}
    assert len(reasons) == len(dataset.skipped) == 12
    assert "truncated" in reasons["dark/truncated.png"]
    assert reasons["dark/empty.png"] == "empty file"
    assert "not an image" in reasons["dark/page.png"]
    assert "not an image" in reasons["dark/drawing.png"]
    assert "pixels" in reasons["light/bomb.png"]
    assert "pixels" in reasons["light/half bomb.png"]
    assert ".txt" in reasons["light/notes.txt"]
    assert "link" in reasons["light/gone.png"]
    assert "link" in reasons["light/loop.png"]
    assert "class folder" in reasons["loop"]
    assert "regular" in reasons["light/pipe.png"]
    assert "class folder" in reasons["read me.txt"]


def test_a_folder_of_mostly_unreadable_files_is_refused(tmp_path: Path) -> None:
    two_classes(tmp_path, each=2)
    for number in range(5):
        (tmp_path / "dark" / f"broken {number}.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"5 of 9 cannot be used.*broken 0\.jpg"):
        open_dataset(config(tmp_path))


def test_a_class_without_a_readable_training_image_is_named(tmp_path: Path) -> None:
    two_classes(tmp_path, each=4)
    (tmp_path / "没有").mkdir()
    (tmp_path / "没有" / "一.png").write_bytes(b"no image")
    # As the folder holds images, it is meant to be a class: what is wrong with them is said, and nothing left out.
    (tmp_path / "没有" / "二.png").touch()
    told = re.escape("no training image can be read of '没有' (0/2); the first is 没有/一.png (not an image")
    with pytest.raises(DataError, match=told):
        open_dataset(config(tmp_path))
    with pytest.raises(DataError, match=told):
        inspect(config(tmp_path).data)
    (tmp_path / "没有" / "二.png").unlink()
    (tmp_path / "没有" / "一.png").unlink()
    (tmp_path / "没有" / "photo.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"没有.*no image.*photo\.heic\. Convert them to one of these types"):
        open_dataset(config(tmp_path))


def test_a_class_folder_with_nothing_in_it_is_left_out_and_named(tmp_path: Path) -> None:
    """It stopped everything. In numbering the others it plays no part."""
    for folder in (tmp_path / "data", tmp_path / "data" / "train"):
        two_classes(folder, each=4)
        without = open_dataset(config(folder))
        (folder / "empty").mkdir()
        (folder / "empty" / ".hidden").touch()
        found = image_folders.listing(str(folder))
        assert (found.classes, found.empty) == (("dark", "light"), ("empty",))
        dataset = open_dataset(config(folder))
        assert (dataset.classes, dataset.identity) == (without.classes, without.identity)
        for name in ("dark", "light", "empty"):
            shutil.rmtree(folder / name)


def test_a_class_of_another_split_whose_training_folder_is_empty_is_refused(tmp_path: Path) -> None:
    two_classes(tmp_path / "train", each=4)
    (tmp_path / "train" / "green").mkdir()
    grey(tmp_path / "val" / "green" / "a.png", 1)
    with pytest.raises(DataError, match=r"val/green: the training split has no class 'green'"):
        image_folders.listing(str(tmp_path))
    (tmp_path / "val" / "green" / "a.png").unlink()
    shutil.rmtree(tmp_path / "val")
    assert image_folders.listing(str(tmp_path)).empty == ("train/green",)
    shutil.rmtree(tmp_path / "train" / "dark")
    shutil.rmtree(tmp_path / "train" / "light")
    with pytest.raises(DataError, match=r"holds no image \(png.*put those of each class into its folder"):
        image_folders.listing(str(tmp_path))


def test_what_is_no_folder_of_class_folders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        open_dataset(config(tmp_path / "missing"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        open_dataset(config(tmp_path / "empty"))
    grey(tmp_path / "loose" / "a.png", 1)
    with pytest.raises(DataError, match="no class folders"):
        open_dataset(config(tmp_path / "loose"))
    with pytest.raises(DataError, match="is a file"):
        open_dataset(config(tmp_path / "loose" / "a.png"))
    grey(tmp_path / "one" / "only" / "a.png", 1)
    with pytest.raises(DataError, match=r"at least two classes.*'only'"):
        open_dataset(config(tmp_path / "one"))
    grey(tmp_path / "single" / "a" / "1.png", 1)
    grey(tmp_path / "single" / "b" / "1.png", 2)
    with pytest.raises(DataError, match="held out"):
        open_dataset(config(tmp_path / "single"))


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Validation", "dev", "eval"])
def test_ready_made_splits_are_kept_as_they_are(tmp_path: Path, name: str) -> None:
    two_classes(tmp_path / "train", each=4)
    two_classes(tmp_path / name, each=2)
    two_classes(tmp_path / "test", each=3)
    (tmp_path / "unlabelled").mkdir()
    dataset = open_dataset(config(tmp_path))
    assert [len(dataset.train), len(dataset.validation), len(dataset.test or ())] == [8, 4, 6]
    assert [skip.path for skip in dataset.skipped] == ["unlabelled"]


def test_the_test_split_is_never_held_out_from_nor_trained_on(tmp_path: Path) -> None:
    two_classes(tmp_path / "train", each=10)
    grey(tmp_path / "test" / "dark" / "t.png", 99)
    dataset = open_dataset(config(tmp_path))
    assert dataset.test is not None
    assert everything(dataset.test).unique().tolist() == [99]
    assert [len(dataset.train), len(dataset.validation)] == [16, 4]
    for split in (dataset.train, dataset.validation):
        assert not (everything(split) == 99).any()


def test_splits_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    two_classes(tmp_path / "train")
    grey(tmp_path / "val" / "green" / "a.png", 1)
    with pytest.raises(DataError, match="no class 'green'"):
        open_dataset(config(tmp_path))
    (tmp_path / "val" / "green" / "a.png").write_bytes(b"no image")
    (tmp_path / "val" / "green").rename(tmp_path / "val" / "dark")
    with pytest.raises(DataError, match="validation split has no readable example"):
        open_dataset(config(tmp_path))
    two_classes(tmp_path / "valid")
    with pytest.raises(DataError, match="both val and valid"):
        open_dataset(config(tmp_path))


def test_loose_files_in_train_are_not_taken_for_a_class(tmp_path: Path) -> None:
    grey(tmp_path / "train" / "cat.1.png", 1)
    grey(tmp_path / "test" / "1.png", 1)
    with pytest.raises(DataError, match="each class in a folder"):
        open_dataset(config(tmp_path))


@pytest.mark.parametrize("names", [("car", "train", "ship"), ("dev", "eval", "prod"), ("resting", "training")])
def test_train_may_be_a_class(tmp_path: Path, names: tuple[str, ...]) -> None:
    for number, name in enumerate(names):
        for copy in range(3):
            grey(tmp_path / name / f"{copy}.png", 10 * number + copy)
    assert open_dataset(config(tmp_path)).classes == tuple(sorted(names))


def test_splits_may_have_longer_names(tmp_path: Path) -> None:
    two_classes(tmp_path / "training", each=10)
    two_classes(tmp_path / "testing", each=3)
    dataset = open_dataset(config(tmp_path))
    assert dataset.classes == ("dark", "light")
    assert [len(dataset.train), len(dataset.validation), len(dataset.test or ())] == [16, 4, 6]


def test_folders_that_look_like_splits_of_which_one_is_named_so_are_refused(tmp_path: Path) -> None:
    two_classes(tmp_path / "train")
    two_classes(tmp_path / "holdout")
    with pytest.raises(DataError, match=r"holdout, train hold the same folders each.*name them train, val and test"):
        open_dataset(config(tmp_path))
    # What holds other folders is a class.
    (tmp_path / "holdout" / "light").rename(tmp_path / "holdout" / "other")
    assert open_dataset(config(tmp_path)).classes == ("holdout", "train")
    # So is one without such a name, whatever it holds.
    (tmp_path / "holdout" / "other").rename(tmp_path / "holdout" / "light")
    (tmp_path / "train").rename(tmp_path / "bus")
    assert open_dataset(config(tmp_path)).classes == ("bus", "holdout")


def test_splits_whose_names_say_more_than_that_are_refused(tmp_path: Path) -> None:
    """train_images, val_images and test_images were taken for three classes, and tuned on."""
    for part in ("train", "val", "test"):
        two_classes(tmp_path / f"{part}_images")
    with pytest.raises(DataError, match=r"test_images, train_images, val_images hold the same folders each"):
        open_dataset(config(tmp_path))
    # One alone is a class.
    shutil.rmtree(tmp_path / "val_images")
    (tmp_path / "test_images").rename(tmp_path / "bus")
    assert open_dataset(config(tmp_path)).classes == ("bus", "train_images")


def test_a_class_that_is_written_in_another_way_in_another_split_is_told_so(tmp_path: Path) -> None:
    """ "add it or remove this one" says nothing to whoever sees it there: it is called Dark."""
    two_classes(tmp_path / "train")
    (tmp_path / "train" / "dark").rename(tmp_path / "train" / "Dark")
    two_classes(tmp_path / "val")
    with pytest.raises(DataError, match=r"val/dark: the training split has no class 'dark', but 'Dark'\. Give the"):
        open_dataset(config(tmp_path))


def test_data_as_people_have_them_are_refused_with_what_to_do(tmp_path: Path) -> None:
    """Labels in a table, a folder within a folder, texts as files: each was called something else."""
    for number in range(4):
        grey(tmp_path / "table" / "images" / f"{number}.png", number)
    (tmp_path / "table" / "labels.csv").write_text("file,label\n0.png,a\n")
    with pytest.raises(DataError, match=r"Where labels\.csv has the labels of its images: it is not read; put each"):
        open_dataset(config(tmp_path / "table"))
    two_classes(tmp_path / "wrapped" / "inside" / "train")
    two_classes(tmp_path / "wrapped" / "inside" / "val")
    with pytest.raises(
        DataError, match=r"a single folder, 'inside', .*\(train, val\).* set data\.path to .*wrapped/inside"
    ):
        open_dataset(config(tmp_path / "wrapped"))
    for name in ("ham", "spam"):
        (tmp_path / "texts" / name).mkdir(parents=True)
        (tmp_path / "texts" / name / "1.txt").write_text("words")
    with pytest.raises(DataError, match=r"class 'ham' has no image, but 1 texts, such as ham/1\.txt\. Texts are read"):
        open_dataset(config(tmp_path / "texts"))


def test_class_names_may_be_anything_and_numbers_sort_as_numbers(tmp_path: Path) -> None:
    names = ["10", "9", "[red]", "a\nb", "猫", 'it\'s "one"', "x2", "x10", "-rf", "a%s{0}"]
    for number, name in enumerate(names):
        for copy in range(2):
            grey(tmp_path / name / f"{copy}.png", 2 * number + copy)
    os.makedirs(os.fsencode(tmp_path) + b"/\xc3\x28")
    for copy in range(2):
        (tmp_path / os.fsdecode(b"\xc3\x28") / f"{copy}.png").write_bytes(encoded(Image.new("L", (8, 8), 90 + copy)))
    dataset = open_dataset(config(tmp_path), tmp_path / ".cache")
    assert set(dataset.classes) == {*names, "\\xc3("}
    assert dataset.classes.index("9") + 1 == dataset.classes.index("10")
    assert dataset.classes.index("x2") + 1 == dataset.classes.index("x10")
    json.dumps(dataset.classes, ensure_ascii=False).encode()


def test_nested_files_count_hidden_ones_do_not_and_links_back_end(tmp_path: Path) -> None:
    """A hidden folder of images beside the classes may have been meant as one, and was left out without a word."""
    two_classes(tmp_path, each=4)
    grey(tmp_path / "dark" / "2019" / "May" / "DEEP.PNG", 50)
    grey(tmp_path / "dark" / ".thumbnails" / "t.png", 60)
    grey(tmp_path / "dark" / ".hidden.png", 61)
    grey(tmp_path / ".net" / "g.png", 62)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").touch()
    (tmp_path / "dark" / "2019" / "back").symlink_to(tmp_path / "dark", target_is_directory=True)
    dataset = open_dataset(config(tmp_path))
    assert len(dataset.train) + len(dataset.validation) == 9
    assert [(skip.path, str(skip.reason)) for skip in dataset.skipped] == [
        (".net", "a folder of images whose name begins with a dot"),
        ("dark/2019/back", "a link back to a folder above"),
    ]


def test_equal_images_fall_on_the_same_side_also_across_classes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for number in range(30):
            grey(tmp_path / name / f"{number}.png", number // 2)
    dataset = open_dataset(config(tmp_path))
    train, validation = (set(everything(split)[:, 0, 0, 0].tolist()) for split in (dataset.train, dataset.validation))
    assert validation
    assert not train & validation


def test_the_split_depends_on_contents_and_seed_not_on_file_names(tmp_path: Path) -> None:
    two_classes(tmp_path / "one", each=20)
    (tmp_path / "two" / "dark").mkdir(parents=True)
    (tmp_path / "two" / "light").mkdir()
    for path in (tmp_path / "one").rglob("*.png"):
        (tmp_path / "two" / path.parent.name / f"{99 - int(path.stem)} renamed.png").write_bytes(path.read_bytes())

    def held_out(name: str, seed: int) -> set[int]:
        return set(everything(open_dataset(config(tmp_path / name, split_seed=seed)).validation)[:, 0, 0, 0].tolist())

    assert held_out("one", 0) == held_out("two", 0)
    assert held_out("one", 0) != held_out("one", 1)


def test_what_does_not_fit_in_memory_is_decoded_when_asked_for(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resident = open_dataset(config(digits, size=16, channels=3))
    monkeypatch.setattr(machine, "available_memory", lambda: 4 * 1797 * 3 * 256 - 1)
    streamed = open_dataset(config(digits, size=16, channels=3))
    assert isinstance(resident.train, ResidentImages)
    assert isinstance(streamed.train, FileImages)
    indices = torch.randperm(len(resident.train))[:300]
    assert torch.equal(inputs(resident.train, indices), inputs(streamed.train, indices))
    assert torch.equal(resident.train.labels, streamed.train.labels)
    assert (resident.mean, resident.std) == (streamed.mean, streamed.std)


def test_large_files_are_decoded_by_several_threads_in_the_order_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(6):
            Image.fromarray(noise.integers(0, 255, (200, 200), np.uint8)).save(tmp_path / name / f"{number}.png")
    resident = open_dataset(config(tmp_path, size=32))
    monkeypatch.setattr(machine, "available_memory", lambda: 0)
    monkeypatch.setattr(machine, "cores", lambda: 4)
    streamed = open_dataset(config(tmp_path, size=32))
    indices = torch.tensor([7, 0, 3, 3, 9])
    assert torch.equal(inputs(resident.train, indices), inputs(streamed.train, indices))


def test_a_file_that_vanishes_while_a_run_reads_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_classes(tmp_path)
    monkeypatch.setattr(machine, "available_memory", lambda: 0)
    dataset = open_dataset(config(tmp_path))
    for path in (tmp_path / "dark").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"dark/\d\.png.*No such file"):
        everything(dataset.train)


def test_the_same_images_elsewhere_are_the_same_data_and_others_are_not(tmp_path: Path):
    """Whatever the place, the size they are decoded to, and the cache."""
    root = two_classes(tmp_path / "one")
    first = open_dataset(config(root)).identity
    shutil.copytree(root, tmp_path / "moved")
    for size in (8, 16):
        for _ in range(2):
            assert open_dataset(config(tmp_path / "moved", size), tmp_path / "cache").identity == first
    assert open_dataset(config(root, split_seed=1)).identity != first
    grey(root / "dark" / "new.png", 50)
    assert open_dataset(config(root)).identity != first
