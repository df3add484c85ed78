"""OpenVINO, for Intel's processors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.plugin import Exporter, Predict, hookimpl, needed_library
from automl_img_exporters._serving import saved_model


class OpenVINO(Exporter):
    """OpenVINO's .xml and .bin in float32, with their labels in the runtime information."""

    name = "openvino"
    file = "model.xml"

    def write(self, model: Any, path: Path, images: Any, labels: Mapping[str, Any]) -> None:
        """Write the ``.xml`` and, beside it, the ``.bin``.

        Raises:
            UsageError: OpenVINO is not installed.
        """
        library = openvino()
        with saved_model(model) as folder:
            converted = library.Core().read_model(folder)
            converted.set_rt_info(json.dumps(labels, ensure_ascii=False), ["labels"])
            # Not in float16, OpenVINO's default: probabilities would move by more than an export may.
            library.save_model(converted, path, compress_to_fp16=False)

    def load(self, path: Path) -> Predict:
        """Load both by OpenVINO, in float32 also on processors that have bfloat16.

        Raises:
            UsageError: OpenVINO is not installed.
        """
        compiled = openvino().Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda images: np.asarray(compiled({"images": images})["probabilities"], np.float32)


def openvino() -> Any:
    """Import OpenVINO without its telemetry, which would tell its makers of each import without asking.

    Raises:
        UsageError: It is not installed.
    """
    import sys

    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # as if it were not installed: OpenVINO goes without
    return needed_library("openvino", install="automl-img[openvino]")


@hookimpl
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Register OpenVINO."""
    register(OpenVINO())
