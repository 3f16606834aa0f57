"""The GPU kernel in Triton's interpreter, on the CPU, against plain products."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import numpy as np, torch, sys
from pathlib import Path
from lsr.encoders import fused
from lsr.encoders.backbones import load_masked_lm
from lsr.encoders.fused import TritonKernel, max_of_products
from lsr.encoders.kernels import TorchKernel
from lsr.encoders.pooling import Positions
from lsr.encoders.tokens import Frame, Tokens

fused.POSITIONS_BLOCK, fused.TERMS_BLOCK, fused.WIDTH_BLOCK = 16, 32, 32
generator = torch.Generator().manual_seed(1)
lengths = [5, 0, 33, 1, 16]
for width, n_terms, dtype in ((20, 37, torch.float32), (16, 50, torch.float16)):
    hidden = torch.randn(sum(lengths), width, generator=generator).to(dtype)
    weight = torch.randn(n_terms, width, generator=generator).to(dtype)
    edges = torch.tensor(np.cumsum([0, *lengths]))
    largest, places = max_of_products(hidden, weight, edges[:-1].contiguous(), edges[1:].contiguous())
    for text, length in enumerate(lengths):
        if not length:
            assert bool(torch.isinf(largest[text]).all()) and bool((places[text] == -1).all())
            continue
        products = hidden[edges[text] : edges[text + 1]].double() @ weight.double().T
        torch.testing.assert_close(largest[text].double(), products.amax(0), atol=1e-4, rtol=1e-4)
        won = products.gather(0, places[text].long()[None])[0]
        torch.testing.assert_close(won, products.amax(0), atol=1e-4, rtol=1e-4)

model = load_masked_lm(Path(sys.argv[1]))
tokens = Tokens.of([[2, 9, 11, 12, 3], [2, 3], [2, 40, 41, 3]], [False] * 3)
for positions in (Positions("all"), Positions("inner", Frame(1, 0, 1))):
    ours = TritonKernel(model, "log1p-relu", positions)(tokens)
    theirs = TorchKernel(model, positions=positions)(tokens)
    assert abs(ours.to_scipy() - theirs.to_scipy()).max() <= 1e-5
    assert ours.nnz == theirs.nnz > 0
print("same")
"""


def test_the_fused_kernel_equals_plain_products(tiny_bert: Path) -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tiny_bert)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "same", done.stderr
