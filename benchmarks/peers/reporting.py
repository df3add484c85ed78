"""What the scripts of all peers share: their arguments, the arrays, and the line of JSON at the end. Needs NumPy and scikit-learn only."""

import argparse
import json
import time
from pathlib import Path

import numpy as np

SPLITS = ("train", "val", "test")


def arguments():
    """Return the arguments and the arrays by name: x_train, y_train, x_val, ..."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    arrays = np.load(given.data)
    return given, {f"{kind}_{split}": arrays[f"{kind}_{split}"] for kind in "xy" for split in SPLITS}


def fast_bfloat16():
    """What multiplies bfloat16 faster than float32 here: "AMX" (Intel), "AVX-512 BF16" (AMD since Zen 4, Cooper Lake), or None.

    Intel's newer cores, known by AVX-512 FP16, have AVX-512 BF16 as well, but are slower with it than with float32.
    """
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.is_file() else ()
    if "amx_bf16" in flags:
        return "AMX"
    return "AVX-512 BF16" if "avx512_bf16" in flags and "avx512_fp16" not in flags else None


def answer(start, labels, predicted, version, notes=""):
    """Print what was reached."""
    from sklearn.metrics import accuracy_score, f1_score

    found = {
        "wall_s": round(time.time() - start, 1),
        "test_f1": float(f1_score(labels, predicted, average="macro")),
        "test_accuracy": float(accuracy_score(labels, predicted)),
        "version": version,
        "notes": notes,
    }
    print(json.dumps(found), flush=True)
