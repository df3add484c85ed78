"""Writes a model in each format; :mod:`automl_img.export.runtimes` loads it back."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.evaluation.predictor import Predictor
from automl_img.export import runtimes
from automl_img.export.card import labels_of
from automl_img.export.runtimes import Images

OPSET = 18
#: What stays in float32 of a network in 8 bits. The softmax would give probabilities in steps of 1/256, none between 0 and 0.004, and
#: logarithms of means of them are worse. To the flip TFLite gives the scale of what follows it, so that mirrored images come out
#: wrong: F1 fell by 0.008, and rises by 0.001 without. Sigmoids stay only where the last one is one: swish has some inside.
FLOATS = ["SOFTMAX", "LOG", "REVERSE_V2"]


def _serving(model: Any, predictor: Predictor) -> Any:
    """A TensorFlow function from "images", uint8 (n, height, width, channels), to "probabilities"."""
    import tensorflow as tf

    image = predictor.card.plan.image
    signature = [tf.TensorSpec((None, image.height, image.width, image.channels), tf.uint8, name="images")]
    return tf.function(
        lambda images: {"probabilities": model(tf.cast(images, tf.float32), training=False)}, input_signature=signature
    )


def write_keras(model: Any, predictor: Predictor, path: Path, calibration: Images) -> None:
    """Write a ``.keras`` file."""
    model.save(path)


def write_saved_model(model: Any, predictor: Predictor, path: Path, calibration: Images) -> None:
    """Write a TensorFlow SavedModel with the signature ``serving_default``."""
    import keras

    serving = _serving(model, predictor)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", serving.python_function, input_signature=serving.input_signature)
    archive.write_out(str(path), verbose=False)


def write_tflite(model: Any, predictor: Predictor, path: Path, calibration: Images) -> None:
    """Write a ``.tflite`` file in float32."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(model, predictor, Path(folder) / "model", calibration)
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(Path(folder) / "model")).convert())


def write_tflite_int8(model: Any, predictor: Predictor, path: Path, calibration: Images) -> None:
    """Write a ``.tflite`` file whose weights and activations have 8 bits, scaled to what ``calibration`` brings forth.

    Images come in as uint8 and probabilities go out as float32; what TFLite cannot compute in 8 bits stays in float32.
    """
    import tensorflow as tf

    def inputs() -> Iterator[list[Images]]:
        return ([calibration[i : i + 1]] for i in range(len(calibration)))

    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(model, predictor, Path(folder) / "model", calibration)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(Path(folder) / "model"))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = inputs
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
        floats = [*FLOATS, "LOGISTIC"] if predictor.task.kind == "multilabel" else FLOATS
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter,
            debug_dataset=inputs,
            debug_options=tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=floats),
        )
        path.write_bytes(debugger.get_nondebug_quantized_model())


def write_openvino(model: Any, predictor: Predictor, path: Path, calibration: Images) -> None:
    """Write OpenVINO's ``.xml`` and, beside it, ``.bin``, with its labels in the runtime information.

    Raises:
        UsageError: OpenVINO is not installed.
    """
    library = runtimes.openvino()
    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(model, predictor, Path(folder) / "model", calibration)
        converted = library.Core().read_model(Path(folder) / "model")
        converted.set_rt_info(json.dumps(labels_of(predictor, "openvino"), ensure_ascii=False), ["labels"])
        # Not in float16, OpenVINO's default: probabilities would move by more than an export may.
        library.save_model(converted, path, compress_to_fp16=False)


def write_onnx(model: Any, predictor: Predictor, path: Path, calibration: Images) -> None:
    """Write an ``.onnx`` file with its labels in the metadata.

    Raises:
        UsageError: tf2onnx is not installed.
    """
    convert = runtimes.needed("tf2onnx").convert
    onnx = runtimes.needed("onnx")
    serving = _serving(model, predictor)
    handlers: dict[str, tuple[Any, list[str]]] = {"Erfc": (_erfc, [])}
    content, _ = convert.from_function(
        serving, input_signature=serving.input_signature, opset=OPSET, custom_op_handlers=handlers
    )
    # Constants that a layer holds, such as means of channels, come out as inputs of the graph.
    captured = {place.name: value for value, place in serving.get_concrete_function().graph.captures}
    for given in [given for given in content.graph.input if given.name != "images"]:
        content.graph.initializer.append(onnx.numpy_helper.from_array(captured[given.name].numpy(), given.name))
        content.graph.input.remove(given)
    onnx.helper.set_model_props(content, {"labels": json.dumps(labels_of(predictor, "onnx"), ensure_ascii=False)})
    onnx.checker.check_model(content)
    path.write_bytes(content.SerializeToString())


def _erfc(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """Map TensorFlow's Erfc, in the exact GELU, to 1 - Erf: ONNX has none of its own, and tf2onnx knows no way."""
    output, given = node.output[0], list(node.input)
    kind = {"shapes": [graph.get_shape(output)], "dtypes": [graph.get_dtype(output)]}
    graph.remove_node(node.name)
    one = graph.make_const(f"{name}/one", np.ones((), np.float32))
    erf = graph.make_node("Erf", given, **kind)
    graph.make_node("Sub", [one.output[0], erf.output[0]], outputs=[output], **kind)
