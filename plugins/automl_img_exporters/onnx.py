"""ONNX, by tf2onnx, for ONNX Runtime and many others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.plugin import Exporter, Predict, hookimpl, needed_library
from automl_img_exporters._serving import serving_function

EXTRA = "automl-img[export]"
OPSET = 18


class Onnx(Exporter):
    """An ONNX file from images to probabilities, opset 18, with its labels in the metadata."""

    name = "onnx"
    file = "model.onnx"

    def write(self, model: Any, path: Path, images: Any, labels: Mapping[str, Any]) -> None:
        """Write the file.

        Raises:
            UsageError: tf2onnx is not installed.
        """
        convert = needed_library("tf2onnx", install=EXTRA).convert
        onnx = needed_library("onnx", install=EXTRA)
        serving = serving_function(model)
        content, _ = convert.from_function(
            serving, input_signature=serving.input_signature, opset=OPSET, custom_op_handlers={"Erfc": (_erfc, [])}
        )
        # Constants that a layer holds, such as means of channels, come out as inputs of the graph.
        captured = {place.name: value for value, place in serving.get_concrete_function().graph.captures}
        for given in [given for given in content.graph.input if given.name != "images"]:
            content.graph.initializer.append(onnx.numpy_helper.from_array(captured[given.name].numpy(), given.name))
            content.graph.input.remove(given)
        onnx.helper.set_model_props(content, {"labels": json.dumps(labels, ensure_ascii=False)})
        onnx.checker.check_model(content)
        path.write_bytes(content.SerializeToString())

    def load(self, path: Path) -> Predict:
        """Load the file by ONNX Runtime.

        Raises:
            UsageError: onnxruntime is not installed.
        """
        runtime = needed_library("onnxruntime", install=EXTRA)
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return lambda images: np.asarray(session.run(["probabilities"], {"images": images})[0], np.float32)


def _erfc(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """Map TensorFlow's Erfc, in the exact GELU, to 1 - Erf: ONNX has none of its own, and tf2onnx knows no way."""
    output, given = node.output[0], list(node.input)
    kind = {"shapes": [graph.get_shape(output)], "dtypes": [graph.get_dtype(output)]}
    graph.remove_node(node.name)
    one = graph.make_const(f"{name}/one", np.ones((), np.float32))
    erf = graph.make_node("Erf", given, **kind)
    graph.make_node("Sub", [one.output[0], erf.output[0]], outputs=[output], **kind)


@hookimpl
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Register ONNX."""
    register(Onnx())
