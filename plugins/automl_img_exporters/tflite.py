"""TFLite, in float32 and in 8 bits, for LiteRT on phones and small devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.plugin import Exporter, Predict, hookimpl, needed_library
from automl_img_exporters._serving import saved_model

#: What stays in float32 of a network in 8 bits. The softmax would give probabilities in steps of 1/256, none between 0 and 0.004, and
#: logarithms of means of them are worse. To the flip TFLite gives the scale of what follows it, so that mirrored images come out
#: wrong: F1 fell by 0.008, and rises by 0.001 without. Sigmoids stay only where the last one is one: swish has some inside.
FLOATS = ["SOFTMAX", "LOG", "REVERSE_V2"]


class TFLite(Exporter):
    """A TFLite file in float32, from images to probabilities."""

    name = "tflite"
    file = "model.tflite"

    def write(self, model: Any, path: Path, images: Any, labels: Mapping[str, Any]) -> None:
        """Write the file."""
        import tensorflow as tf

        with saved_model(model) as folder:
            path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert())

    def load(self, path: Path) -> Predict:
        """Load the file by LiteRT.

        Raises:
            UsageError: LiteRT is not installed.
        """
        module = needed_library("ai_edge_litert.interpreter", package="ai-edge-litert", install="automl-img[export]")
        interpreter = module.Interpreter(model_path=str(path))
        source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

        def predict(images: Any) -> Any:
            interpreter.resize_tensor_input(source, images.shape)
            interpreter.allocate_tensors()
            interpreter.set_tensor(source, images)
            interpreter.invoke()
            return np.array(interpreter.get_tensor(target), np.float32)

        return predict


class TFLiteInt8(TFLite):
    """A TFLite file whose weights and activations have 8 bits, scaled to images.

    Images come in as uint8 and probabilities go out as float32; what TFLite cannot compute in 8 bits stays in float32.
    """

    name = "tflite_int8"
    calibrated = True

    def write(self, model: Any, path: Path, images: Any, labels: Mapping[str, Any]) -> None:
        """Write the file, its 8 bits scaled to what ``images`` bring forth."""
        import tensorflow as tf

        def inputs() -> Iterator[list[Any]]:
            return ([images[i : i + 1]] for i in range(len(images)))

        with saved_model(model) as folder:
            converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = inputs
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
            floats = [*FLOATS, "LOGISTIC"] if labels["task"] == "multilabel" else FLOATS
            debugger = tf.lite.experimental.QuantizationDebugger(
                converter=converter,
                debug_dataset=inputs,
                debug_options=tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=floats),
            )
            path.write_bytes(debugger.get_nondebug_quantized_model())


@hookimpl
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Register TFLite in float32 and in 8 bits."""
    register(TFLite())
    register(TFLiteInt8())
