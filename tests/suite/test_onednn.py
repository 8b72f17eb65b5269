"""What oneDNN says of its kernels."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from vitbench.errors import Unavailable
from vitbench.runtimes import aot_inductor, onednn, variant

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(
    not {"onednn", "x86"} <= {*torch.backends.quantized.supported_engines},
    reason="this torch has no oneDNN for int8",
)


def test_it_names_its_kernel_and_prints_nothing(capfd):
    onednn.signed_int8_kernel.cache_clear()
    found = onednn.signed_int8_kernel()
    assert found is not None
    assert ":" in found
    print("after")
    assert capfd.readouterr().out == "after\n"


def test_less_instructions_give_another_kernel():
    """The advice of the message: torch's packed weights fit none of AVX512-VNNI's kernels."""
    done = subprocess.run(
        [sys.executable, "-c",
         "from vitbench.runtimes import onednn; print(onednn.signed_int8_kernel())"],
        cwd=ROOT, env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"},
        text=True, capture_output=True, timeout=300, check=True,
    )  # fmt: skip
    assert not done.stdout.startswith("ref"), done.stdout


@pytest.mark.parametrize("kernel", ["ref_int8:any", "brg_matmul:avx512_core_vnni", None])
def test_a_reference_kernel_makes_the_variant_unavailable(monkeypatch, kernel):
    monkeypatch.setattr(onednn, "signed_int8_kernel", lambda: kernel)
    recipe = variant("torchao-int8-dynamic")
    if kernel != "ref_int8:any":
        aot_inductor.supports(recipe, "cpu")
        return
    with pytest.raises(Unavailable, match="ONEDNN_MAX_CPU_ISA=AVX2"):
        aot_inductor.supports(recipe, "cpu")
