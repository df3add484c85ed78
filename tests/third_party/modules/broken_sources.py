"""Sources that each break one promise, named after what they do: all read a folder of the folders of the classes."""

import itertools

from automl_img.plugin import DataError, DataSource, ImageDataset, Split

COUNT = itertools.count()


class Plain(DataSource):
    """Base: the folders of the classes, and keeps every promise."""

    def accepts(self, path):
        return path.is_dir() and path.name == "classes"

    def files(self, path):
        return sorted(path.rglob("*.png"))

    def load(self, path, options):
        task = options["task"]  # which the core always gives
        if path is None or not path.is_dir():
            raise DataError("there is no such folder", where=str(path), hint="Name a folder.")
        files = self.files(path)
        return ImageDataset("plain", (), Split(files, [file.parent.name for file in files]), task=task)


class Unexplained(Plain):
    """Has an option without a line."""

    name = "unexplained"
    options = {"depth": ""}


class Startled(Plain):
    """Raises when it is asked for a file."""

    name = "startled"

    def accepts(self, path):
        if path.suffix == ".bin":
            path.read_text(encoding="ascii")
        return super().accepts(path)


class Tracebacks(Plain):
    """Does not tell a person what is missing."""

    name = "tracebacks"

    def load(self, path, options):
        if not path.is_dir():
            raise FileNotFoundError(path)
        return super().load(path, options)


class Miscounting(Plain):
    """Leaves labels out."""

    name = "miscounting"

    def load(self, path, options):
        found = super().load(path, options)
        return ImageDataset("plain", (), Split(found.train.images, found.train.labels[:-1]))


class Restless(Plain):
    """Gives another order each time."""

    name = "restless"

    def files(self, path):
        found = super().files(path)
        first = next(COUNT) % len(found)
        return found[first:] + found[:first]


class Littering(Plain):
    """Writes an index beside the images."""

    name = "littering"

    def load(self, path, options):
        found = super().load(path, options)
        (path / "index.txt").write_text("12 images")
        return found


class Leaking(Plain):
    """Gives training images for validation."""

    name = "leaking"

    def load(self, path, options):
        found = super().load(path, options)
        return ImageDataset("plain", (), found.train, found.train)


class Nameless(Plain):
    """Gives its data no name."""

    name = "nameless"

    def load(self, path, options):
        return ImageDataset("", (), super().load(path, options).train)


#: The source → the one check that it fails, and words of what it is told to do.
EXPECTED = {
    Unexplained: ("test_it_says_what_it_takes", "one line"),
    Startled: ("test_it_looks_at_any_path_and_object", "return False"),
    Tracebacks: ("test_what_is_not_there_is_told", "Raise DataError"),
    Miscounting: ("test_it_gives_images_and_labels_that_fit", "each image its label"),
    Restless: ("test_it_gives_the_same_each_time", "Sort what"),
    Littering: ("test_it_leaves_the_data_as_it_is", "cache"),
    Leaking: ("test_it_leaves_validation_images_alone", "one split"),
    Nameless: ("test_its_data_says_what_it_holds", "ImageDataset.name"),
}
