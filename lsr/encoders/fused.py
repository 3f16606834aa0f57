"""Max pooling on a GPU without logits: product, running maximum and its position in one Triton kernel.

One program takes one text and one tile of terms, goes over the text's positions block by block, and keeps the
largest product of each term in registers. It writes one row a text; a matrix product would write one row a
token, and pooling would read it several times.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from lsr.encoders.activations import ACTIVATIONS
from lsr.encoders.backbones import LanguageModel, torch_threads
from lsr.encoders.batching import BatchCost
from lsr.encoders.composition import ActivationName
from lsr.encoders.kernels import pad, to_sparse, torch_cost
from lsr.encoders.pooling import Positions
from lsr.encoders.tokens import Tokens
from lsr.vectors import SparseVectors

POSITIONS_BLOCK = 64
TERMS_BLOCK = 128
WIDTH_BLOCK = 32


@triton.jit  # type: ignore[untyped-decorator]
def _max_of_products(  # type: ignore[no-untyped-def]  # noqa: PLR0917 - a kernel takes what the grid shares
    hidden,
    weight,
    starts,
    stops,
    largest,
    places,
    n_terms,
    width,
    precision: tl.constexpr,
    positions_block: tl.constexpr,
    terms_block: tl.constexpr,
    width_block: tl.constexpr,
):
    text = tl.program_id(0).to(tl.int64)
    terms = tl.program_id(1) * terms_block + tl.arange(0, terms_block)
    known = terms < n_terms
    start, stop = tl.load(starts + text), tl.load(stops + text)
    best = tl.full([terms_block], float("-inf"), tl.float32)
    place = tl.full([terms_block], -1, tl.int32)
    for first in range(start, stop, positions_block):
        rows = first + tl.arange(0, positions_block)
        real = rows < stop
        products = tl.zeros([positions_block, terms_block], tl.float32)
        for column in range(0, width, width_block):
            columns = column + tl.arange(0, width_block)
            inside = columns < width
            x = tl.load(
                hidden + rows[:, None].to(tl.int64) * width + columns[None, :],
                mask=real[:, None] & inside[None, :],
                other=0.0,
            )
            e = tl.load(
                weight + terms[None, :].to(tl.int64) * width + columns[:, None],
                mask=inside[:, None] & known[None, :],
                other=0.0,
            )
            products = tl.dot(x, e, products, input_precision=precision)
        products = tl.where(real[:, None], products, float("-inf"))
        block_best = tl.max(products, axis=0)
        block_place = tl.argmax(products, axis=0)
        better = block_best > best
        place = tl.where(better, (first - start).to(tl.int32) + block_place, place)
        best = tl.where(better, block_best, best)
    tl.store(largest + text * n_terms + terms, best, mask=known)
    tl.store(places + text * n_terms + terms, place, mask=known)


def max_of_products(hidden: Tensor, weight: Tensor, starts: Tensor, stops: Tensor) -> tuple[Tensor, Tensor]:
    """The largest product of each term over a text's positions, and where it was.

    hidden: (positions, width), texts end to end; weight: (terms, width), the same type, both contiguous
    starts, stops: int64, (texts,): a text's rows of ``hidden``
    Returns float32 (texts, terms), −∞ for a text without a position, and int32 positions counted within the
    text, −1 there. Of equal products the first position wins. float32 is multiplied as float32, not as TF32.
    """
    n_texts, n_terms = len(starts), len(weight)
    largest = torch.empty(n_texts, n_terms, dtype=torch.float32, device=hidden.device)
    places = torch.empty(n_texts, n_terms, dtype=torch.int32, device=hidden.device)
    grid = (n_texts, triton.cdiv(n_terms, TERMS_BLOCK))
    _max_of_products[grid](
        hidden,
        weight,
        starts,
        stops,
        largest,
        places,
        n_terms,
        hidden.shape[1],
        precision="ieee",
        positions_block=POSITIONS_BLOCK,
        terms_block=TERMS_BLOCK,
        width_block=WIDTH_BLOCK,
    )
    return largest, places


@dataclass(frozen=True, slots=True)
class TritonKernel:
    """A max-pooled vocabulary head by the fused kernel; the body stays torch's."""

    model: LanguageModel
    activation: ActivationName
    positions: Positions
    threads: int | None = None

    @property
    def name(self) -> str:
        return "triton"

    @property
    def cost(self) -> BatchCost:
        return torch_cost(self.model)

    def __call__(self, tokens: Tokens) -> SparseVectors:
        projection = self.model.projection
        with torch.inference_mode(), torch_threads(self.threads):
            ids, mask = pad(tokens, self.model.device)
            packed = self.model.head_inputs(ids, mask)[mask.bool()].contiguous()
            first, last = self.positions.ranges(tokens.lengths)
            starts, stops = (
                torch.from_numpy(tokens.offsets[:-1] + edge).to(self.model.device) for edge in (first, last)
            )
            largest, _ = max_of_products(packed, projection.weight, starts, stops)
            return to_sparse(ACTIVATIONS[self.activation](projection.finish(largest, slice(None))))
