"""A model that somebody else sends can do no harm: nothing in it runs, and no file outside of it is read or written."""

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import warnings

import h5py
import numpy as np
import pytest

import automl_img
from automl_img.errors import AutoMLImageWarning, ModelFileError, PluginError
from automl_img.evaluation.model_schema import described
from automl_img.evaluation.predictor import Predictor
from automl_img.plugin import trust

pytestmark = pytest.mark.train


@pytest.fixture
def model(finished, tmp_path):
    """A copy of a model, as it would come in the post."""
    return finished[0].save(tmp_path / "sent" / "model")


@pytest.fixture
def marker(tmp_path):
    """A file that hostile code would write."""
    return tmp_path / "it-ran"


def sign(model):
    """Put the matching checksum into the description, as whoever changed the weights would."""
    digest = hashlib.sha256((model / "model.weights.h5").read_bytes()).hexdigest()
    change(model, lambda content: content.update(weights_sha256=digest))


def change(model, how):
    path = model / "model.json"
    content = json.loads(path.read_text())
    how(content)
    path.write_text(json.dumps(content))


def refused(model, match, error=ModelFileError):
    with pytest.raises(error, match=match) as caught:
        automl_img.load(model)
    assert "\n" not in str(caught.value)


class Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (os.system, (f"touch {self.marker}",))


def test_what_was_saved_is_loaded(model, finished, digits_data):
    images = digits_data[0][:20]
    assert automl_img.load(model).predict_proba(images) == pytest.approx(finished[0].predictor.predict_proba(images))


def test_a_model_of_another_version_of_its_architecture_is_loaded_with_a_warning(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error", AutoMLImageWarning)
        automl_img.load(model)
    change(model, lambda content: content["plugins"].update({"architecture/plainnet": "0", "regularizer/dropout": "0"}))
    with pytest.warns(AutoMLImageWarning, match=r"model\.json: .* was trained: plainnet had version 0 and has 1$"):
        automl_img.load(model)


def test_a_pickle_in_the_place_of_the_weights_is_refused_and_does_not_run(model, marker):
    (model / "model.weights.h5").write_bytes(pickle.dumps(Bomb(marker)))
    sign(model)
    refused(model, "the weights are no HDF5 file")
    assert not marker.exists()


def _external_link(file, other):
    file["layers/here"] = h5py.ExternalLink(str(other), "/secret")


def _soft_link(file, other):
    file["layers/here"] = h5py.SoftLink("/layers")


def _external_storage(file, other):
    file.create_dataset("layers/here", (4,), "f4", external=[(str(other), 0, 16)])


def _virtual(file, other):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(other), "secret", (4,))
    file.create_virtual_dataset("layers/here", layout)


def _texts(file, other):
    file.create_dataset("layers/here", data=["text"], dtype=h5py.string_dtype())


def _ragged(file, other):
    file.create_dataset("layers/here", (2,), h5py.vlen_dtype(np.float32))


def _references(file, other):
    file.create_dataset("layers/here", data=[file["layers"].ref], dtype=h5py.ref_dtype)


def _terabytes(file, other):
    file.create_dataset("layers/here", (2**40,), "f4")


def _compressed_terabytes(file, other):
    file.create_dataset("layers/here", (2**40,), "f4", chunks=(2**20,), compression="gzip")


def _type(file, other):
    file["layers/here"] = np.dtype("f4")


def _circle(file, other):
    file["a/b/c"] = file.require_group("a")


HOSTILE = {
    _external_link: "layers/here is a link to another file",
    _soft_link: "layers/here is a link",
    _external_storage: "layers/here has its numbers in another file",
    _virtual: "layers/here is put together from other files",
    _texts: "layers/here does not hold numbers",
    _ragged: "layers/here does not hold numbers",
    _references: "layers/here does not hold numbers",
    _terabytes: "claims to hold 4,398,046,511,104 bytes",
    _compressed_terabytes: "is compressed or in pieces",
    _type: "is no array",
    _circle: "its groups are nested too deeply",
}


@pytest.mark.parametrize("how", HOSTILE, ids=lambda how: how.__name__.strip("_"))
def test_weights_that_are_more_than_arrays_of_numbers_are_refused_although_their_checksum_is_right(
    how, model, tmp_path
):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.arange(4, dtype=np.float32)
    with h5py.File(model / "model.weights.h5", "a") as file:
        how(file, other)
    sign(model)
    refused(model, HOSTILE[how])


def test_a_weights_file_that_is_cut_off_is_refused(model):
    path = model / "model.weights.h5"
    path.write_bytes(path.read_bytes()[:-1000])
    sign(model)
    refused(model, "the weights cannot be read")


def test_weights_that_are_a_link_out_of_the_folder_are_refused(model, tmp_path):
    path = model / "model.weights.h5"
    shutil.move(path, tmp_path / "elsewhere.h5")
    path.symlink_to(tmp_path / "elsewhere.h5")
    refused(model, "a link that leads out of the model's folder")


DESCRIPTIONS = {
    "another key": lambda c: c.update(code="import os"),
    "a key in the plan": lambda c: c["plan"].update(lambda_="x"),
    "a key in the image": lambda c: c["plan"]["image"].update(depth=3),
    "a class that is a number": lambda c: c["class_names"].__setitem__(0, 5),
    "a class too few": lambda c: c["class_names"].pop(),
    "a class twice": lambda c: c["class_names"].__setitem__(0, c["class_names"][1]),
    "a class with an endless name": lambda c: c["class_names"].__setitem__(0, "a" * 1001),
    "a size that is text": lambda c: c["plan"]["image"].update(height="8"),
    "an absurd size": lambda c: c["plan"]["image"].update(height=10**6, width=10**6),
    "absurd classes": lambda c: c["plan"]["image"].update(classes=10**12),
    "an absurd hyperparameter": lambda c: c["plan"]["values"].update({"plainnet.filters": 10**15}),
    "a hyperparameter that is a list": lambda c: c["plan"]["values"].update({"plainnet.filters": [1]}),
    "no architecture": lambda c: c["plan"]["values"].pop("architecture"),
    "another task": lambda c: c["plan"]["image"].update(task="__import__"),
    "no number": lambda c: c.update(temperature=float("nan")),
    "no number within": lambda c: c["trained"].update(f1=float("inf")),
    "a temperature of nothing": lambda c: c.update(temperature=0),
    "a mean too many": lambda c: c["plan"].update(mean=[1.0, 2.0]),
    "a mean that is huge": lambda c: c["plan"].update(mean=["1e999"]),
    "a checksum that is a path": lambda c: c.update(weights_sha256="../../etc/passwd"),
    "a module that is a path": lambda c: c.update(plugin_modules=["../evil"]),
    "costs that do not fit": lambda c: c["decision"].update(costs=[[0.0, 1.0]]),
    "a cost of a class that there is not": lambda c: c["decision"].update(costs=[[0, 10, 2.0]]),
    "a cost of a class between two": lambda c: c["decision"].update(costs=[[0, 1.5, 2.0]]),
    "a cost of what is right": lambda c: c["decision"].update(costs=[[1, 1, 2.0]]),
    "a cost given twice": lambda c: c["decision"].update(costs=[[0, 1, 2.0], [0, 1, 3.0]]),
    "older costs that do not fit": lambda c: (c.update(format=4), c["decision"].update(costs=[[0, 1, 2.0]])),
    "a plan that is a list": lambda c: c.update(plan=[]),
    "others that are no models": lambda c: c.update(others=[{"file": "/etc/passwd"}]),
    "a part that is missing": lambda c: c.pop("mirrored"),
}


@pytest.mark.parametrize("how", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_a_description_that_is_not_one_of_ours_is_refused(how, model):
    change(model, how)
    refused(model, "the model's description is not one of ours")


def test_a_number_too_large_for_a_float_is_refused(model):
    text = (model / "model.json").read_text()
    (model / "model.json").write_text(text.replace('"temperature": ', '"temperature": 1e999, "_": ', 1))
    refused(model, "not one of ours")


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "null", "{", '{"format": [4]}', '{"format": 99}', "\x00"])
def test_a_file_that_is_no_description_is_refused(text, model):
    (model / "model.json").write_text(text)
    refused(model, "not one of ours|another version|cannot be read")


def test_a_further_network_in_another_file_is_refused(model):
    def join(content):
        digest, plan = content["weights_sha256"], content["plan"]
        content["others"] = [{"plan": plan, "file": "../../secret.h5", "weights_sha256": digest, "share": 0.5}]

    change(model, join)
    refused(model, r"names a file that is not one of its own; found '../../secret.h5'")


@pytest.mark.parametrize("values", [{"architecture": "plainest"}, {"regularizer.plainest": True}])
def test_a_plugin_that_is_not_here_is_told_when_the_model_is_loaded(values, model):
    change(model, lambda content: content["plan"]["values"].update(values))
    refused(model, r"model.json: unknown (architecture|regularizer); found 'plainest'", PluginError)


def test_what_an_older_version_wrote_is_still_read(model):
    content = json.loads((model / "model.json").read_text())
    for key in ("temperature", "decision", "others"):
        content.pop(key)
    assert described(json.dumps({**content, "format": 2})).temperature == 1.0


def test_costs_are_read_as_they_are_written_and_as_an_older_version_wrote_them(model, tmp_path):
    change(model, lambda content: content["decision"].update(costs=[[0, 2, 9.0]]))
    loaded = automl_img.load(model)
    assert loaded.card.decision.costs == ((0, 2, 9.0),)
    assert automl_img.load(loaded.save(tmp_path / "again")).card.decision == loaded.card.decision
    table = 1 - np.eye(10)
    table[0, 2] = 9
    change(model, lambda content: (content.update(format=4), content["decision"].update(costs=table.tolist())))
    assert automl_img.load(model).card.decision == loaded.card.decision


def test_a_keras_file_is_refused_and_the_lambda_in_it_does_not_run(tmp_path, marker):
    import keras

    inputs = keras.Input((2,))
    path = tmp_path / "model.keras"
    target = str(marker)
    write = keras.layers.Lambda(lambda x: (__import__("pathlib").Path(target).touch(), x)[1])
    keras.Model(inputs, write(inputs)).save(path)
    marker.unlink(missing_ok=True)
    refused(path, r"a single file is not loaded: a .keras file or a pickle can hold code that would run")
    assert not marker.exists()


def test_a_keras_file_whose_description_names_a_function_of_the_system_is_refused(tmp_path, marker):
    import zipfile

    call = {"module": "os", "class_name": "system", "config": {"command": f"touch {marker}"}, "registered_name": None}
    for name in ("model.keras", "model.h5"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("config.json", json.dumps(call))
            archive.writestr("metadata.json", "{}")
        refused(tmp_path / name, "a single file is not loaded")
    assert not marker.exists()


@pytest.fixture
def evil(model, marker, monkeypatch):
    """The model names a module that lies beside it, and the working directory is there."""
    folder = model.parent
    (folder / "evil_plugin.py").write_text(f"open({str(marker)!r}, 'w')\n")
    change(model, lambda content: content["plugin_modules"].append("evil_plugin"))
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    return model


def test_a_module_that_only_the_model_names_is_not_imported_wherever_it_lies(evil, marker):
    refused(evil, r"a Python module that no search of yours has used.*found 'evil_plugin'", PluginError)
    assert not marker.exists()


def test_a_module_that_a_person_names_is_imported(evil, marker, monkeypatch):
    automl_img.load(evil, plugin_modules=["evil_plugin"])
    assert marker.exists()
    monkeypatch.setenv("AUTOML_IMG_PLUGINS", "other, evil_plugin")
    trust.refuse_strange_modules(["evil_plugin", "other"], where="")


def test_a_module_that_a_search_has_used_is_known_by_its_file(tmp_path, monkeypatch):
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for folder in (mine, theirs):
        folder.mkdir()
        (folder / "seldom_plugin.py").write_text("raise RuntimeError('it must not be imported here')\n")
    monkeypatch.syspath_prepend(str(mine))
    trust.remember(["seldom_plugin", "there_is_no_such_module"])
    trust.refuse_strange_modules(["seldom_plugin"], where="")
    with pytest.raises(PluginError):
        trust.refuse_strange_modules(["there_is_no_such_module"], where="")
    file = mine.resolve() / "seldom_plugin.py"
    said = f"not found here by now; found 'seldom_plugin'.*used it from {file}: say so with PYTHONPATH={file.parent}"
    with monkeypatch.context() as elsewhere, pytest.raises(PluginError, match=said):
        elsewhere.setattr(sys, "path", [place for place in sys.path if place != str(mine)])
        trust.refuse_strange_modules(["seldom_plugin"], where="")
    monkeypatch.syspath_prepend(str(theirs))
    with pytest.raises(PluginError, match="found 'seldom_plugin'"):
        trust.refuse_strange_modules(["seldom_plugin"], where="")


def test_a_module_that_is_gone_is_missed_only_where_no_other_has_what_the_model_is_built_with(model):
    change(model, lambda content: content["plugin_modules"].append("gone_plugin"))
    assert automl_img.load(model).class_names[0] == "0"
    change(model, lambda content: content.update(plugin_modules=["gone_plugin"]))
    refused(model, "no search of yours has used.*found 'gone_plugin'", PluginError)


def test_a_run_of_ones_own_is_opened_by_another_process(finished, tmp_path):
    """Its module is imported because the search that trained the model has used it, from the same file."""
    code = (
        f"import sys, automl_img; loaded = automl_img.load({str(finished[0].run_dir)!r}); "
        "assert not {'keras', 'tensorflow'} & set(sys.modules); print(loaded.class_names[0])"
    )
    path = os.pathsep.join([*sys.path, os.environ.get("PYTHONPATH", "")])
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
    )
    assert ran.stdout.strip() == "0", ran.stderr


def test_a_description_that_is_large_is_not_read(model, monkeypatch):
    monkeypatch.setattr("automl_img.evaluation.model_file.LARGEST_DESCRIPTION", 100)
    with pytest.raises(ModelFileError, match="too large"):
        Predictor(model)
