"""The doctor finds bad versions, and bad numbers whatever the versions."""

import pytest
import torch

from napari_midrl.data.progress import finish
from napari_midrl.workflows import doctor
from napari_midrl.workflows.doctor import (
    Verdict,
    check_convolution,
    examine_machine,
    known_faults,
)


@pytest.mark.parametrize(
    ("torch_version", "cudnn", "words"),
    [
        ("2.13.0+cpu", None, []),
        ("2.10.0", 91700, []),
        ("2.9.1+cu128", None, ["crafted weights", "2.9 computes"]),
        ("2.8.0", None, ["crafted weights"]),
        ("1.13.1", None, ["crafted weights"]),
        ("2.12.0", 90701, []),
        ("2.12.0", 90800, ["wrong bf16"]),
        ("2.12.0", 91001, ["wrong bf16"]),
        ("2.12.0", 91002, ["wrong bf16", "TF32"]),
        ("2.12.0", 91501, ["TF32"]),
        ("3.0.0", 91600, []),
    ],
)
def test_versions_with_known_faults(torch_version, cudnn, words):
    faults = known_faults(torch_version, cudnn)

    assert len(faults) == len(words)
    assert all(word in fault for word, fault in zip(words, faults, strict=True))


def verdicts(device="cpu"):
    return {f.topic.split()[1]: f.verdict for f in check_convolution(device)}


def test_this_machine_computes_correctly():
    assert verdicts() == {"fp32": Verdict.OK, "bf16": Verdict.OK}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_this_gpu_computes_correctly():
    assert set(verdicts("cuda:0").values()) == {Verdict.OK}


def wrong_in(dtype, spoil):
    """Return a convolution that is wrong in one precision only."""
    right = torch.nn.functional.conv3d

    def conv3d(images, kernels, **options):
        result = right(images, kernels, **options)
        return spoil(result) if images.dtype == dtype else result

    return conv3d


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda x: 1.1 * x, id="scaled"),
        pytest.param(lambda x: x.roll(1, dims=-1), id="shifted"),
        pytest.param(lambda x: x * torch.nan, id="not a number"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_wrong_numbers_are_noticed(monkeypatch, dtype, spoil):
    monkeypatch.setattr(torch.nn.functional, "conv3d", wrong_in(dtype, spoil))

    found = verdicts()

    fails, holds = ("fp32", "bf16") if dtype == torch.float32 else ("bf16", "fp32")
    assert found[fails] == Verdict.FAILED
    assert found[holds] == Verdict.OK


def test_a_wrong_gradient_is_noticed(monkeypatch):
    """Training would go astray although every search looks right."""
    right = torch.autograd.grad

    def grad(loss, weights):
        (gradient,) = right(loss, weights)
        return (gradient * (2 if gradient.dtype == torch.bfloat16 else 1),)

    monkeypatch.setattr(torch.autograd, "grad", grad)

    assert verdicts() == {"fp32": Verdict.OK, "bf16": Verdict.FAILED}


def test_a_precision_that_does_not_run_is_reported(monkeypatch):
    def refuse(result):
        msg = "not implemented for 'BFloat16'\nstack"
        raise RuntimeError(msg)

    monkeypatch.setattr(torch.nn.functional, "conv3d", wrong_in(torch.bfloat16, refuse))

    *_, finding = check_convolution("cpu")

    assert finding.value == "does not run: not implemented for 'BFloat16'"
    assert finding.verdict == Verdict.WARNING


def test_a_whole_examination(monkeypatch):
    versions = {"torchvision": "0.28.0", "napari": None}
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda n: versions.get(n, real(n)))

    findings = {f.topic: f for f in finish(examine_machine())}

    assert findings["torch"].value == torch.__version__
    assert findings["torchvision"].verdict == Verdict.WARNING
    assert "pip uninstall torchvision" in findings["torchvision"].advice
    assert findings["napari"].value == "not installed"
    assert findings["conv3d fp32 on cpu"].verdict == Verdict.OK
    assert "CUDA" in findings
