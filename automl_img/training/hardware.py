"""What this machine can do: cores, GPUs, memory, and the precision that it gains from. Imports no TensorFlow."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from automl_img.cores import cores
from automl_img.processor import x86_flags

MIB, GIB = 2**20, 2**30
DEVICES = Path("/dev")  # /proc lists the GPUs of the host even in a container that may not use them
BFLOAT16_CAPABILITY = 8.0  # compute capability of the first NVIDIA GPUs that multiply bfloat16: Ampere
NVIDIA_SECONDS = 10.0  # after which nvidia-smi is not waited for
TRIALS_SHARE = 0.85  # of the memory; the driver, the page cache of the prepared images and the system have the rest
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True)
class Hardware:
    """The machine as far as a search needs to know it.

    Attributes:
        cores: Processor cores that this process may use, or what a container may use of them.
        memory: Main memory in bytes, or what a container may use of it.
        gpus: Number of NVIDIA GPUs that may be used.
        bfloat16: Whether bfloat16 is multiplied faster than float32: by the GPUs (compute capability 8.0 and newer), or by the processor
            where there are none (AMX, or AVX-512 BF16 of some).
        vector_bits: Width of the processor's vectors: 512 with AVX-512, 256 for all others.
    """

    cores: int
    memory: int
    gpus: int
    bfloat16: bool
    vector_bits: int = 512

    @classmethod
    def detect(cls, gpus: int | None = None) -> Hardware:
        """Look at the machine; ``gpus``: how many may be used, if somebody else has decided."""
        gpus = _gpus() if gpus is None else gpus
        bfloat16 = _gpus_have_bfloat16() if gpus else _processor_gains_from_bfloat16()
        return cls(cores(), _memory(), gpus, bfloat16, 512 if "avx512f" in x86_flags() else 256)

    def precision(self, asked: str) -> str:
        """The Keras dtype policy for ``asked``, a policy or "auto"."""
        if asked != "auto":
            return asked
        if self.bfloat16:
            return "mixed_bfloat16"
        return "mixed_float16" if self.gpus else "float32"

    def slots(self, asked: int | str, *, devices_per_trial: int = 1, trials_per_device: int = 1) -> int:
        """How many trials run at once: ``asked``, as many as the GPUs take, or one for each core as far as memory allows (3 GiB)."""
        if asked != "auto":
            return int(asked)
        if self.gpus:
            return max(1, self.gpus // devices_per_trial * trials_per_device)
        return max(1, min(self.cores, 4, self.memory // (3 * GIB)))

    def gpu_memory(self) -> tuple[int, ...]:
        """Bytes of each GPU, as NVIDIA's nvidia-smi tells them; 0 where it does not."""
        found = tuple(int(size) * MIB for size in _numbers_of_gpus("memory.total")) if self.gpus else ()
        return found[: self.gpus] + (0,) * (self.gpus - len(found))

    @property
    def memory_for_trials(self) -> int | None:
        """Bytes of main memory that trials may allocate together; None beside GPUs, whose driver maps far more than it uses."""
        return None if self.gpus else int(TRIALS_SHARE * self.memory)

    @property
    def flops(self) -> float:
        """Floating-point operations per second that training a small network reaches, by class of hardware.

        A nominal figure, so that the same choices are made on the same machine each time, fitted on one kind of server core for each class
        (AMD's Zen 5, where these networks train about as fast as with AMX, and Zen 3 for narrow vectors); the speed of each trial is
        measured when it runs.
        """
        if self.gpus:
            return 2e13
        if self.bfloat16:
            return self.cores * 3.1e11
        return self.cores * (2.0e11 if self.vector_bits >= 512 else 5e10)

    @property
    def bandwidth(self) -> float:
        """Bytes per second that element-wise operations on feature maps reach; nominal, like :attr:`flops`."""
        if self.gpus:
            return 6e11
        return self.cores * (1.3e10 if self.vector_bits >= 512 else 1.0e10)

    @property
    def step_seconds(self) -> float:
        """Seconds of a training step whatever the network, for fetching the batch and starting its operations; nominal."""
        return 3.5e-3 if self.gpus else 0.5e-3


#: The machine by which what must not depend on a processor's cores is planned: deterministic trials, and the sizes of their networks.
REFERENCE = Hardware(cores=2, memory=2**34, gpus=0, bfloat16=True)


def _memory() -> int:
    try:
        present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        present = 8 * GIB
    return min([present, *_container_limits()])


def _container_limits() -> list[int]:
    limits = []
    for path in CGROUP_LIMITS:
        try:
            limits.append(int(Path(path).read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return limits


def _gpus() -> int:
    visible = _visible()
    present = len(list(DEVICES.glob("nvidia[0-9]*"))) or len(_ask_nvidia())
    return present if visible is None else min(present, len(visible))


def _visible() -> list[str] | None:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves, each by its number or the beginning of its UUID; None: all."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return None
    return [device.strip() for device in listed.split(",") if device.strip() not in ("", "-1")]


def _ask_nvidia(*what: str) -> list[list[str]]:
    """Number, UUID and ``what`` of each GPU, as NVIDIA's nvidia-smi tells them; nothing where it is missing or does not answer."""
    query = ["nvidia-smi", f"--query-gpu={','.join(('index', 'uuid', *what))}", "--format=csv,noheader,nounits"]
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        answer = subprocess.run(query, capture_output=True, text=True, timeout=NVIDIA_SECONDS, check=True)
        lines = [[cell.strip() for cell in line.split(",")] for line in answer.stdout.splitlines()]
        return [cells for cells in lines if len(cells) == 2 + len(what)]
    return []


def _numbers_of_gpus(what: str) -> list[float]:
    """One number for each GPU that may be used, in the order of CUDA_VISIBLE_DEVICES, which nvidia-smi does not heed."""
    with contextlib.suppress(ValueError):
        cards = {(index, uuid): value for index, uuid, value in _ask_nvidia(what)}
        named = [
            value
            for device in _visible() or ()
            for (index, uuid), value in cards.items()
            if device == index or (device.startswith("GPU-") and uuid.startswith(device))
        ]
        # None is named where all may be used, or parts of one (MIG).
        return [float(value) for value in named or cards.values()]
    return []


def _gpus_have_bfloat16() -> bool:
    """Whether all of them are known to."""
    capabilities = _numbers_of_gpus("compute_cap")
    return bool(capabilities) and min(capabilities) >= BFLOAT16_CAPABILITY


def _processor_gains_from_bfloat16() -> bool:
    """Whether it multiplies bfloat16 faster than float32.

    AMX does, by far. AVX-512 BF16 is taken to, as on Cooper Lake and Zen 4, but for Intel's cores since Sapphire Rapids, known by AVX-512
    FP16: where a virtual machine hides AMX, their convolutions take 1.8 times as long in bfloat16 as in float32 (oneDNN, measured).
    """
    flags = x86_flags()
    return "amx_bf16" in flags or ("avx512_bf16" in flags and "avx512_fp16" not in flags)
