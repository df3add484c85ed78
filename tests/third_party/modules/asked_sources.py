"""Sources that do not get on with each other: one raises whatever it is asked, one takes every object for its own, one knows lists."""

from automl_img.plugin import DataSource, ImageDataset, Split, hookimpl


class Greedy(DataSource):
    """Takes every object."""

    name = "greedy"

    def accepts_object(self, data):
        return True

    def convert(self, data, options):
        return ImageDataset(self.name, ("a", "b"), Split([], []))


class Hesitant(DataSource):
    """Raises when it is asked."""

    name = "hesitant"

    def accepts(self, path):
        raise RuntimeError("no such\nserver")

    def accepts_object(self, data):
        raise SystemExit(3)


class Lists(Greedy):
    """Takes lists."""

    name = "lists"

    def accepts_object(self, data):
        return isinstance(data, list)


@hookimpl
def register_sources(register):
    for source in (Greedy, Hesitant, Lists):
        register(source())
