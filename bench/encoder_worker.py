"""One measurement of bench/encoder.py, in a process whose threads and instruction set are already settled."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

BATCH_SIZES = (32, 8, 4, 2, 1)  # sentence-transformers' default first
LENGTH = 256


@dataclass
class Best:
    """The least of each clock over the rounds, in seconds."""

    cpu: float = np.inf
    wall: float = np.inf

    def add(self, run: Callable[[], object]) -> None:
        cpu, wall = time.process_time(), time.perf_counter()
        run()
        self.cpu = min(self.cpu, time.process_time() - cpu)
        self.wall = min(self.wall, time.perf_counter() - wall)


def report(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def load_ours(task: dict[str, Any]) -> Any:
    from lsr.encoders.loading import load_encoder

    return load_encoder(task["folder"], threads=task["threads"], document_length=LENGTH, query_length=LENGTH)


def load_theirs(task: dict[str, Any]) -> Any:
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    body = Transformer(task["folder"], transformer_task="fill-mask", max_seq_length=LENGTH)
    return SparseEncoder(modules=[body, SpladePooling("max")], device="cpu")


def speed(task: dict[str, Any], texts: dict[str, list[str]]) -> None:
    ours, theirs = load_ours(task), load_theirs(task)
    ours.encode_documents(texts["docstrings"][:256] + texts["msmarco-dl"][:256])  # finds its filter's basis
    for name in ("docstrings", "msmarco-dl"):
        every = texts[name]
        chosen = [every[at * len(every) // task["documents"]] for at in range(task["documents"])]
        ours.encode_documents(chosen[:16])
        theirs.encode(chosen[:4], show_progress_bar=False)
        mine, whole, rivals = Best(), Best(), {size: Best() for size in BATCH_SIZES}
        for _ in range(task["rounds"]):
            mine.add(partial(ours.encode_documents, chosen))
            for size, best in rivals.items():
                best.add(partial(theirs.encode, chosen, batch_size=size, show_progress_bar=False))
        if task["model"] == "splade-tiny":
            whole.add(partial(ours.encode_documents, every))
        vectors = ours.encode_documents(chosen)
        expected = theirs.encode(chosen, batch_size=1, show_progress_bar=False, convert_to_tensor=False)
        default, fastest = rivals[BATCH_SIZES[0]], min(rivals.values(), key=lambda best: best.cpu)
        n = len(chosen)
        report(
            texts=name,
            documents=n,
            non_zeros=vectors.nnz / n,
            ours_per_cpu_s=n / mine.cpu,
            ours_per_s=n / mine.wall,
            ours_all_per_cpu_s=len(every) / whole.cpu if np.isfinite(whole.cpu) else None,
            theirs_per_cpu_s={size: n / best.cpu for size, best in rivals.items()},
            theirs_per_s={size: n / best.wall for size, best in rivals.items()},
            times_default_cpu=default.cpu / mine.cpu,
            times_default_wall=default.wall / mine.wall,
            times_best_cpu=fastest.cpu / mine.cpu,
            times_best_wall=min(best.wall for best in rivals.values()) / mine.wall,
            largest_difference=largest_difference(vectors, expected),
        )
    if task["threads"] == 1:
        queries(task, texts["queries"][:40], ours, theirs)


def largest_difference(vectors: Any, expected: Any) -> float:
    from scipy.sparse import csr_matrix, vstack

    rows = [torch.as_tensor(row).to_dense().numpy() for row in expected]
    return float(abs(vectors.to_scipy() - vstack([csr_matrix(row) for row in rows])).max())


def queries(task: dict[str, Any], texts: list[str], ours: Any, theirs: Any) -> None:
    systems: dict[str, Callable[[str], object]] = {
        "ours": lambda text: ours.encode_queries([text]),
        "theirs": lambda text: theirs.encode_query(text, show_progress_bar=False),
    }
    if task["model"] == "splade-tiny":
        free = inference_free(task, ours)
        systems["ours inference-free"] = lambda text: free.encode_queries([text])
    # Each system by itself, as it would serve: alternating, each would find the caches full of the other.
    for name, encode in systems.items():
        wall, cpu = [], []
        for text in texts * (20 if name != "theirs" else 3):
            started, worked = time.perf_counter(), time.process_time()
            encode(text)
            cpu.append(1e3 * (time.process_time() - worked))
            wall.append(1e3 * (time.perf_counter() - started))
        report(
            query=name,
            median_ms=float(np.median(wall)),
            p95_ms=float(np.quantile(wall, 0.95)),
            median_cpu_ms=float(np.median(cpu)),
        )


def inference_free(task: dict[str, Any], ours: Any) -> Any:
    from lsr.encoders.loading import load_encoder
    from lsr.encoders.tables import write_idf

    with tempfile.TemporaryDirectory() as folder:
        table = np.linspace(0.5, 15.0, len(ours.vocabulary)).astype(np.float32)
        write_idf(Path(folder) / "idf.json", table, ours.vocabulary.terms)
        return load_encoder(task["folder"], queries=Path(folder) / "idf.json")


def parity(task: dict[str, Any], texts: dict[str, list[str]]) -> None:
    """1,000 texts of each set, the same token ids, native against torch's tiled float32."""
    from lsr.encoders.backbones import load_masked_lm
    from lsr.encoders.composition import Reading
    from lsr.encoders.kernels import TorchKernel
    from lsr.encoders.native import NativeKernel
    from lsr.encoders.tokens import TextTokenizer

    model = load_masked_lm(Path(task["folder"]))
    native, oracle = NativeKernel(model, "log1p-relu", 1), TorchKernel(model, threads=1)
    tokenizer = TextTokenizer(model.tokenizer, Reading(length=LENGTH))
    native(tokenizer(texts["docstrings"][:256] + texts["msmarco-dl"][:256]))  # finds its filter's basis
    for name in ("docstrings", "msmarco-dl"):
        chosen = texts[name][:: len(texts[name]) // 1000][:1000]
        largest, differing, non_zeros = 0.0, 0, 0
        for start in range(0, len(chosen), 16):
            tokens = tokenizer(sorted(chosen, key=len)[start : start + 16])
            found, expected = native(tokens).to_scipy(), oracle(tokens).to_scipy()
            largest = max(largest, float(abs(found - expected).max()))
            differing += int(((found > 0) != (expected > 0)).nnz)
            non_zeros += expected.nnz
        report(
            texts=name,
            documents=len(chosen),
            largest_difference=largest,
            differing_supports=differing,
            non_zeros=non_zeros,
        )


def precision(task: dict[str, Any], texts: dict[str, list[str]]) -> None:
    """What bfloat16 and 8-bit weights change of the vectors of 256 passages, beside exact float32."""
    from lsr.encoders.loading import load_encoder

    chosen = texts["msmarco-dl"][:: len(texts["msmarco-dl"]) // 256][:256]
    exact = load_ours(task).encode_documents(chosen).to_scipy()
    for name in ("bfloat16", "int8"):
        encoder = load_encoder(task["folder"], threads=task["threads"], document_length=LENGTH, precision=name)
        encoder.encode_documents(chosen[:16])
        clock = Best()
        clock.add(partial(encoder.encode_documents, chosen))
        found = encoder.encode_documents(chosen).to_scipy()
        difference = abs(found - exact)
        lengths = [np.sqrt(np.asarray(each.multiply(each).sum(axis=1)).ravel()) for each in (found, exact)]
        cosines = np.asarray(found.multiply(exact).sum(axis=1)).ravel() / (lengths[0] * lengths[1])
        report(
            precision=name,
            documents_per_s=len(chosen) / clock.wall,
            largest_difference=float(difference.max()),
            mean_difference=float(difference.sum() / exact.nnz),
            non_zeros=exact.nnz / len(chosen),
            differing_supports=((found > 0) != (exact > 0)).nnz / len(chosen),
            least_cosine=float(cosines.min()),
        )


def memory(task: dict[str, Any], texts: dict[str, list[str]]) -> None:
    """Resident memory every 2,000 texts; the first 2,000 are warm-up."""
    # As bytes: a str that was encoded keeps its UTF-8 form for as long as it lives, and would look like growth.
    every = [text.encode() for text in texts["msmarco-dl"] + texts["docstrings"]]
    del texts["msmarco-dl"], texts["docstrings"]
    if task["side"] == "lsr":
        encoder = load_ours(task)
        encode, n, step = encoder.encode_documents, 32_000, 2000
    else:
        model = load_theirs(task)
        encode, n, step = lambda chosen: model.encode(chosen, show_progress_bar=False), 256, 64
    anonymous = []
    for start in range(0, n + step, step):
        encode([every[at % len(every)].decode() for at in range(start, start + step)])
        anonymous.append(status("RssAnon"))
    steady = anonymous[1:]
    report(
        side=task["side"],
        texts=n,
        anonymous_mb=[round(each, 1) for each in anonymous],
        spread=(max(steady) - min(steady)) / min(steady),
        resident_mb=status("VmRSS"),
        peak_mb=status("VmHWM"),
    )


def large(task: dict[str, Any], texts: dict[str, list[str]]) -> None:
    """A random 12 x 768 masked LM, then the head alone over 128,256 terms."""
    from transformers import BertConfig, BertForMaskedLM

    from lsr import _native
    from lsr.encoders.backbones import split_head
    from lsr.encoders.composition import Reading
    from lsr.encoders.kernels import TorchKernel
    from lsr.encoders.native import NativeKernel
    from lsr.encoders.tokens import TextTokenizer

    torch.manual_seed(1)
    whole = BertForMaskedLM(BertConfig(initializer_range=0.05)).eval()
    whole.cls.predictions.bias.data.fill_(-3.8)  # three times their spread: some logits exceed it
    model = split_head(whole, Path(task["folder"]))
    tokens = TextTokenizer(model.tokenizer, Reading(length=LENGTH))(texts["msmarco-dl"][:64])
    native, oracle = NativeKernel(model, "log1p-relu", 1), TorchKernel(model, threads=1)
    mine, plain, expected, anonymous = Best(), Best(), [], []
    plain.add(lambda: expected.append(oracle(tokens)))
    for _ in range(task["rounds"] + 1):
        mine.add(lambda: native(tokens))
        anonymous.append(round(status("RssAnon"), 1))
    difference = float(abs(native(tokens).to_scipy() - expected[0].to_scipy()).max())
    report(
        model="12 x 768",
        tokens=len(tokens.ids),
        non_zeros=native(tokens).nnz / len(tokens),
        ours_us_per_token=1e6 * mine.cpu / len(tokens.ids),
        torch_us_per_token=1e6 * plain.cpu / len(tokens.ids),
        largest_difference=difference,
        anonymous_mb=anonymous,
        resident_mb=status("VmRSS"),
    )
    rng = np.random.default_rng(1)
    embedding = rng.standard_normal((128_256, 768), dtype=np.float32)
    hidden = rng.standard_normal((1024, 768), dtype=np.float32)
    offsets = np.arange(0, 1025, 128)
    head = _native.Head(embedding, np.full(len(embedding), -110.0, np.float32))
    best, anonymous = Best(), []
    for _ in range(task["rounds"] + 1):
        best.add(lambda: head.encode(hidden, offsets))
        anonymous.append(round(status("RssAnon"), 1))
    found = head.encode(hidden, offsets)
    report(
        model="head 128,256 x 768",
        head_us_per_token=1e6 * best.cpu / len(hidden),
        non_zeros=int(found[0][-1]) / 8,
        candidates=int(head.candidates(hidden, offsets)[0][-1]) / 8,
        packed_mb=head.size_bytes / 2**20,
        anonymous_mb=anonymous,
    )


def decoder(task: dict[str, Any], texts: dict[str, list[str]]) -> None:
    """A random Llama of 128,256 terms through the product's own loading, as Echo-Mistral-SPLADE."""
    from lsr.encoders.composition import Composition, NeuralParts, write_composition
    from lsr.encoders.loading import load_encoder
    from lsr.encoders.methods import METHODS

    # Echo-Mistral-SPLADE with the output layer of the model's own, whose rows make its vectors sparse.
    parts = METHODS["echo-mistral-splade"].document
    assert isinstance(parts, NeuralParts)
    side = replace(parts, backbone=replace(parts.backbone, tied=False))
    write_composition(Composition(side, side, "random-decoder"), Path(task["folder"]))
    encoder = load_encoder(task["folder"], threads=task["threads"])
    every = texts["msmarco-dl"]
    chosen = [every[at * len(every) // 48] for at in range(48)]
    loaded, resident, anonymous, clock = status("VmRSS"), [], [], Best()
    for _ in range(3):
        clock.add(lambda: encoder.encode_documents(chosen))
        resident.append(round(status("VmRSS"), 1))
        anonymous.append(round(status("RssAnon"), 1))
    peak, n_tokens = status("VmHWM"), encoder.statistics.tokens // 3
    longest = max(len(encoder.plain_tokenizer([text]).ids) for text in chosen[:32])
    report(
        model="Llama 12 x 768, 128,256 terms, echo",
        documents=len(chosen),
        tokens=n_tokens,
        non_zeros=encoder.encode_documents(chosen).nnz / len(chosen),
        us_per_token=1e6 * clock.cpu / n_tokens,
        loaded_mb=loaded,
        resident_mb=resident,
        anonymous_mb=anonymous,
        peak_mb=peak,
        logits_of_32_mb=4 * 32 * (1 + 2 * longest) * len(encoder.vocabulary) / 2**20,
        largest_difference=difference_to_logits(Path(task["folder"]), encoder, chosen[0]),
    )


def difference_to_logits(folder: Path, encoder: Any, text: str) -> float:
    """One echoed text's vector beside the one from the library's own model and all its logits."""
    from transformers import AutoModelForCausalLM

    ids = encoder.plain_tokenizer([text]).ids.tolist()
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.inference_mode():
        logits = model(torch.tensor([[0, *ids, *ids]]), use_cache=False).logits[0, 1 + len(ids) :]
    expected = torch.log1p(logits.clamp(min=0)).amax(dim=0).numpy()
    return float(np.abs(encoder.encode_documents([text]).to_scipy().toarray()[0] - expected).max())


def status(name: str) -> float:
    """A line of /proc/self/status, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(name)


def main() -> None:
    task = json.loads(sys.argv[1])
    if task["threads"] == 1:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(task["threads"])
    texts = json.loads(Path(task["texts"]).read_text())
    tasks = {each.__name__: each for each in (speed, parity, precision, memory, large, decoder)}
    tasks[task["what"]](task, texts)


if __name__ == "__main__":
    main()
