"""Find out whether this machine computes what the agents need, and how fast.

Some releases of torch and cuDNN return wrong numbers from 3D convolutions without
any error. So the doctor does not trust versions alone: it compares a small
convolution in every precision with the same one in double precision.
"""

from __future__ import annotations

import os
import platform
import re
import time
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import psutil

from napari_midrl import __version__
from napari_midrl.data.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import torch

PACKAGES = (
    "napari", "npe2", "vispy", "PyQt6", "PySide6", "numpy", "scipy", "SimpleITK",
    "nibabel", "pydicom", "highdicom", "safetensors",
)  # fmt: skip
MAX_ERROR = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 4e-2}
"""Largest error of a healthy convolution, relative to its largest value."""


class Verdict(StrEnum):
    """What a finding means for the user."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One fact about the machine.

    Parameters
    ----------
    topic
        What was looked at.
    value
        What was found.
    verdict
        Whether that is good.
    advice
        What to do about it; empty if nothing.
    """

    topic: str
    value: str
    verdict: Verdict = Verdict.OK
    advice: str = ""


def examine_machine() -> Generator[Progress, None, tuple[Finding, ...]]:
    """Yield progress while looking at versions and devices; return the findings.

    It takes some seconds, most of which is the import of torch.
    """
    yield Progress(0, 3, "reading versions")
    findings = [*_system(), *_packages(), _torchvision()]
    yield Progress(1, 3, "loading torch")
    findings += _torch()
    yield Progress(2, 3, "checking 3D convolutions")
    for device in _devices():
        findings += check_convolution(device)
    return tuple(findings)


def _system() -> Iterator[Finding]:
    memory_gib = psutil.virtual_memory().total / 2**30
    yield Finding("napari-midrl", __version__)
    yield Finding("Python", platform.python_version())
    yield Finding("system", f"{platform.system()} {platform.machine()}")
    yield Finding("processors", f"{os.cpu_count()}, {memory_gib:.0f} GiB of memory")


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        if (found := _version(name)) is not None:
            yield Finding(name, found)
    if _version("napari") is None:
        yield Finding(
            "napari",
            "not installed",
            Verdict.WARNING,
            "the window needs it: pip install 'napari-midrl[pyqt6]'",
        )


def _torchvision() -> Finding:
    """Return whether the package is there that so often breaks torch."""
    found = _version("torchvision")
    if found is None:
        return Finding("torchvision", "absent, as it should be")
    advice = (
        "not used here, and often made for another torch: pip uninstall torchvision"
    )
    return Finding("torchvision", found, Verdict.WARNING, advice)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _torch() -> Iterator[Finding]:
    import torch

    from napari_midrl.training.precision import has_bfloat16

    cudnn = torch.backends.cudnn.version() if torch.cuda.is_available() else None
    faults = known_faults(torch.__version__, cudnn)
    verdict = Verdict.WARNING if faults else Verdict.OK
    yield Finding("torch", torch.__version__, verdict, "; ".join(faults))
    yield Finding("torch threads", str(torch.get_num_threads()))
    slower = "in float32: no bfloat16 in this processor, two to three times slower"
    yield Finding("training", "in bfloat16" if has_bfloat16() else slower)
    if torch.cuda.is_available():
        yield Finding("CUDA", str(torch.version.cuda))
        yield Finding("cuDNN", str(cudnn))
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            memory_gib = properties.total_memory / 2**30
            yield Finding(f"cuda:{index}", f"{properties.name}, {memory_gib:.0f} GiB")
    else:
        yield _no_cuda(torch.version.cuda)


def _no_cuda(build: str | None) -> Finding:
    """Return why there is no CUDA device; a CPU alone is enough to work."""
    if build is not None:
        advice = "torch is a CUDA build but finds no device: check the driver"
        return Finding("CUDA", "no device", Verdict.WARNING, advice)
    return Finding("CUDA", "none: torch is a CPU build")


def known_faults(torch_version: str, cudnn_version: int | None) -> tuple[str, ...]:
    """Return what is known to be wrong with these versions, one sentence each.

    Parameters
    ----------
    torch_version
        Such as ``"2.13.0+cpu"``.
    cudnn_version
        Number that cuDNN gives itself, such as 91002 for 9.10.2; None without CUDA.

    References
    ----------
    .. [1] https://github.com/pytorch/pytorch/issues/163539 (bf16),
       https://github.com/pytorch/pytorch/issues/166122 (2.9.0),
       https://github.com/pytorch/pytorch/pull/167024 (TF32)
    """
    release = tuple(int(n) for n in re.findall(r"\d+", torch_version)[:2])
    faults = []
    if release < (2, 10):
        faults.append("torch before 2.10 can be harmed by a crafted weights file")
    if release == (2, 9):
        faults.append("torch 2.9 computes 3D convolutions slowly or not at all")
    if cudnn_version is not None and 90800 <= cudnn_version < 91100:
        faults.append("cuDNN 9.8 to 9.10 can return wrong bf16 3D convolutions")
    if cudnn_version is not None and 91002 <= cudnn_version < 91600:
        faults.append("cuDNN 9.10.2 to 9.15 has a broken TF32 3D kernel")
    return tuple(faults)


def _devices() -> list[str]:
    import torch

    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["cpu", *cuda, *mps]


def check_convolution(device: str) -> Iterator[Finding]:
    """Yield how exact and how fast a small 3D convolution is in every precision.

    Parameters
    ----------
    device
        A torch device such as ``"cpu"`` or ``"cuda:0"``.
    """
    exact = _convolution("cpu", "fp64")
    for precision in ("fp32", "tf32", "bf16"):
        if precision == "tf32" and not device.startswith("cuda"):
            continue
        topic = f"conv3d {precision} on {device}"
        try:
            _convolution(device, precision)  # the first call also chooses kernels
            start = time.perf_counter()
            result = _convolution(device, precision)
            ms = (time.perf_counter() - start) * 1000
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            yield Finding(topic, f"does not run: {reason}", _severity(precision))
            continue
        error_share = max(
            float((got - true).abs().max() / true.abs().max())
            for got, true in zip(result, exact, strict=True)
        )
        value = f"relative error {error_share:.1e}, {ms:.0f} ms"
        if error_share <= MAX_ERROR[precision]:
            yield Finding(topic, value)
        else:
            advice = "results on this device cannot be trusted: use --device cpu"
            yield Finding(topic, value, Verdict.FAILED, advice)


def _severity(precision: str) -> Verdict:
    """Agents search in fp32; the other precisions only save time."""
    return Verdict.FAILED if precision == "fp32" else Verdict.WARNING


def _convolution(device: str, precision: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a fixed 3D convolution and its gradient, in double on the CPU."""
    import torch

    dtype = {"fp64": torch.float64, "bf16": torch.bfloat16}.get(
        precision, torch.float32
    )
    random = torch.Generator().manual_seed(0)
    images = torch.randn(2, 4, 24, 24, 24, generator=random).to(device, dtype)
    kernels = torch.randn(16, 4, 3, 3, 3, generator=random).to(device, dtype)
    kernels.requires_grad_()
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=precision == "tf32"):
        response = torch.nn.functional.conv3d(images, kernels, padding=1)
        (gradient,) = torch.autograd.grad(response.square().mean(), kernels)
    return response.detach().cpu().double(), gradient.cpu().double()
