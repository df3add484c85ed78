"""The checks of an exporter."""

from __future__ import annotations

import copy
import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from automl_img.plugin.base import ImageTraits
from automl_img.plugin.exporter import CARD_FILE, LABELS_FILE, MAX_F1_LOSS, MOST_DIFFERENCE, Exporter, Predict
from automl_img.plugin.testing.checks import CheckError, Checks, calling, described, need
from automl_img.plugin.testing.written import Written, answers_of, decisions, load, write

#: What the networks that are written take: the smallest first, which is written several times.
NETWORKS = (
    ImageTraits(8, 8, 1, 2, 40, "binary"),
    ImageTraits(20, 13, 3, 5, 300, "multilabel"),
)
SAME = 1e-5  # by which the answers of two files of one model may differ


class ExporterChecks(Checks):
    """What every exporter owes the core: a file that answers as Keras does, by itself, anywhere, and nothing else that is changed."""

    def test_it_declares_its_file(self) -> None:
        """It names its file, the dtype that the file takes, and whether it is judged by its F1."""
        plugin = self.plugin
        plain = isinstance(plugin.file, str) and Path(plugin.file).name == plugin.file not in ("", "..")
        hint = 'Set it on the class to the name of one file or folder, such as file = "model.onnx".'
        need(plain, f"its file is {plugin.file!r}", hint)
        taken = plugin.file in (LABELS_FILE, CARD_FILE)
        need(
            not taken, f"its file is called {plugin.file!r}", "Name it otherwise: the core writes a file of that name."
        )
        dtype = plugin.dtype in ("uint8", "float32")
        need(dtype, f"its dtype is {plugin.dtype!r}", 'Say what the file takes: "uint8" or "float32".')
        kind = isinstance(plugin.calibrated, bool)
        need(kind, f"calibrated is {plugin.calibrated!r}", "Set it to True if F1 is to judge the format, or leave it.")

    def test_its_file_answers_as_the_model_does(self) -> None:
        """For images of several sizes, channels, classes and tasks the loaded file gives Keras's probabilities."""
        for image in self.suited(NETWORKS):
            written = self._written(image)
            found = self._answers(written)
            what = f"for {described(image)}"
            right = found.shape == written.expected.shape and found.dtype == np.float32
            hint = "Return probabilities, float32, of shape (n, classes)."
            need(right, f"{what} the file answers {found.dtype} of shape {found.shape}", hint)
            inside = bool(np.isfinite(found).all()) and found.min() >= -SAME and found.max() <= 1 + SAME
            need(
                inside,
                f"{what} the file's answers are no probabilities",
                "Softmax and sigmoid are in the model: keep them.",
            )
            differs = float(np.abs(found - written.expected).max())
            close = self.plugin.calibrated or differs <= MOST_DIFFERENCE
            hint = "Look at dtypes, the order of channels and of classes; or say calibrated = True, if it computes in few bits."
            need(close, f"{what} probabilities differ from Keras's by up to {differs:.2g}", hint)

    def test_a_calibrated_format_keeps_its_f1(self) -> None:
        """The classes that follow from its answers are Keras's, but for the loss of F1 that is allowed."""
        if not self.plugin.calibrated:
            return
        from sklearn.metrics import f1_score

        for image in self.suited(NETWORKS):
            written = self._written(image)
            found = self._answers(written)
            expected = decisions(image, written.expected)
            f1 = f1_score(expected, decisions(image, found), average="macro", zero_division=1.0)
            what = f"for {described(image)} F1 is {f1:.3f}, with Keras's answers as the truth"
            hint = "Scale to the images that write is given, and leave what suffers, such as softmax, in float32."
            need(f1 >= 1 - MAX_F1_LOSS, what, hint)

    def test_it_answers_for_any_number_of_images(self) -> None:
        """One image alone, and several in another order, get the answers that they get together with others."""
        written = self._written()
        predict = self._files().predict(written)
        together = answers_of(predict, written.images)
        for chosen in ([0], [5, 3, 1], [0]):
            found = answers_of(predict, written.images[chosen])
            same = found.shape == together[chosen].shape and np.allclose(found, together[chosen], atol=MOST_DIFFERENCE)
            hint = "Leave the number of images open in the file, and keep nothing from call to call."
            need(bool(same), f"{len(chosen)} images get other answers by themselves than among {len(together)}", hint)

    def test_its_file_holds_all_that_it_needs(self) -> None:
        """Moved to another folder, it is read by a copy of the exporter that has written nothing."""
        written = self._written()
        expected = self._answers(written)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "elsewhere"
            shutil.copytree(written.path.parent, folder)
            hint = "Let load read the file that it is given, and nothing that write has kept or written elsewhere."
            with calling("reading the file in another folder, by a copy that wrote nothing,", hint):
                found = np.asarray(self._files().unused.load(folder / written.path.name)(written.images))
            need(bool(np.allclose(found, expected, atol=SAME)), "moved to another folder, it answers otherwise", hint)

    def test_it_writes_into_any_folder(self) -> None:
        """The path may have spaces and letters of any language."""
        written = self._files().second()
        there = written.path.exists()
        need(there, f"it did not write to {str(written.path)!r}", "Hand the path on as it is, and not through a shell.")
        self._answers(written)

    def test_it_writes_the_same_model_each_time(self) -> None:
        """Written twice, the same network gives the same answers."""
        expected = self._answers(self._written())
        try:
            found = self._answers(self._files().second())
        except CheckError:
            return  # told by the check of its folder
        same = found.shape == expected.shape and np.allclose(found, expected, atol=SAME)
        hint = "Draw nothing at random while writing, or set its seed."
        need(bool(same), "two files of one model answer differently", hint)

    def test_it_leaves_nothing_behind_besides_its_file(self) -> None:
        """In the folder lie its file and what has the same stem, and no temporary file is left."""
        written = self._written()
        hint = f"Write {self.plugin.file} alone, or give what belongs to it the same stem."
        need(written.path.exists(), f"it did not write {self.plugin.file}", "Write to the path that it is given.")
        need(not written.beside, f"it also wrote {', '.join(written.beside)}", hint)
        hint = "Use tempfile.TemporaryDirectory as a context, which deletes it also after an error."
        need(not written.left, f"it left {', '.join(written.left)} among the temporary files", hint)

    def test_it_leaves_the_model_as_it_is(self) -> None:
        """Keras's model answers after it was written as before: the core compares with it."""
        written = self._written()
        same = np.allclose(written.afterwards, written.expected, atol=1e-6)
        need(
            bool(same),
            "the model answers otherwise once it is written",
            "Set back what it sets, or change a copy: save it and load it.",
        )

    def test_it_keeps_its_settings_to_itself(self) -> None:
        """Keras's settings are as before, and what it registers with Keras has its own package's name."""
        written = self._written()
        listed = ", ".join(written.settings)
        need(not written.settings, f"after writing, {listed} are others", "Set back what it sets, in a finally.")
        module = type(self.plugin).__module__.split(".")[0]
        strange = [name for name in written.registered if not module.startswith(name.split(">")[0])]
        hint = f'Register with register_keras_serializable(package="{module}"), or not at all.'
        need(not strange, f"it registers {', '.join(strange)} with Keras, where others' names are too", hint)

    def _written(self, image: ImageTraits | None = None) -> Written:
        """The network for ``image``, the smallest unless given."""
        return self._files().of(image or self.suited(NETWORKS)[0])

    def _answers(self, written: Written) -> npt.NDArray[np.float32]:
        return answers_of(self._files().predict(written), written.images)

    def _files(self) -> _Files:
        kind = type(self)
        if "_kept" not in kind.__dict__ or kind._kept.exporter is not self.plugin:
            kind._kept = _Files(self.plugin, self.suited(NETWORKS)[0])
        return kind._kept

    _kept: ClassVar[_Files]


class _Files:
    """What an exporter has written, once for all checks, in a folder that goes with this object.

    Attributes:
        exporter: It.
        unused: A copy of it that has written nothing.
    """

    def __init__(self, exporter: Any, smallest: ImageTraits) -> None:
        self.exporter = exporter
        with calling("a copy of it", "Keep files, locks and models out of its attributes."):
            self.unused: Exporter = copy.deepcopy(exporter)
        self._smallest = smallest
        self._folder = tempfile.TemporaryDirectory()
        self._written: dict[tuple[ImageTraits, str], Written | CheckError] = {}
        self._loaded: dict[Path, Predict] = {}

    def of(self, image: ImageTraits) -> Written:
        """The network for ``image``."""
        return self._in(image, f"{image.height}-{image.width}")

    def second(self) -> Written:
        """The smallest network a second time, in a folder whose name has spaces."""
        return self._in(self._smallest, "my models/Größe 猫")

    def predict(self, written: Written) -> Predict:
        """What one of the files predicts, loaded once."""
        if written.path not in self._loaded:
            self._loaded[written.path] = load(self.exporter, written.path)
        return self._loaded[written.path]

    def _in(self, image: ImageTraits, folder: str) -> Written:
        if (image, folder) not in self._written:
            try:
                self._written[image, folder] = write(self.exporter, image, Path(self._folder.name) / folder)
            except CheckError as error:
                self._written[image, folder] = error
        found = self._written[image, folder]
        if isinstance(found, CheckError):
            raise found
        return found
