"""Encoding speed beside sentence-transformers: the same texts, alternating, in one run.

    LSR_COLLECTIONS=... python bench/encoder.py speed      documents and queries
    LSR_COLLECTIONS=... python bench/encoder.py parity     against torch float32, 1,000 texts of each set
    LSR_COLLECTIONS=... python bench/encoder.py precision  what bfloat16 and int8 change
    LSR_COLLECTIONS=... python bench/encoder.py memory     resident memory over 32,000 texts
    LSR_COLLECTIONS=... python bench/encoder.py large      12 x 768; a head, then a decoder of 128k terms

Each measurement runs in a process of its own (encoder_worker.py), because threads and instruction sets are
settled when libraries load. In a row named avx2 both sides are limited to AVX2. Rates are per second of CPU
time, which a busy machine disturbs least, beside wall time. Results go to standard output as JSON lines.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
MAKERS = {"minilm": "minilm_splade.py", "decoder": "random_decoder.py"}
TEXTS = {"docstrings": 2000, "msmarco-dl": 5000}

LIMITS = {
    "scalar": {"LSR_ISA": "scalar"},
    "avx512": {},
    "avx2": {
        "LSR_ISA": "avx2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "parity", "precision", "memory", "large"])
    parser.add_argument("--models", nargs="+", default=["splade-tiny", "minilm"])
    parser.add_argument("--isa", nargs="+", default=["avx512", "avx2"], choices=list(LIMITS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--documents", type=int, default=256, help="of each set, for the slower side")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        texts = work / "texts.json"
        chosen = read_texts()
        texts.write_text(json.dumps(chosen))
        print(json.dumps({"texts": digests(chosen), "python": sys.version.split()[0]}), flush=True)
        folders = {name: model_folder(name, work, texts) for name in given.models}
        for name, folder in folders.items():
            task = {
                "what": given.what,
                "model": name,
                "folder": str(folder),
                "texts": str(texts),
                "documents": given.documents if name == "splade-tiny" else max(32, given.documents // 4),
                "rounds": given.rounds,
            }
            if given.what == "speed":
                for isa in given.isa:
                    for threads in given.threads:
                        run_worker(task, isa, threads)
            elif given.what == "memory":
                for side in ("lsr", "sentence-transformers"):
                    run_worker(task | {"side": side}, "avx512", 1)
            elif given.what == "precision":
                run_worker(task, "avx512", 1)
            elif given.what == "parity":
                for isa in given.isa:
                    run_worker(task, isa, 1)
            else:
                run_worker(task, "avx512", 1)
                made = model_folder("decoder", work, texts)
                run_worker(task | {"what": "decoder", "folder": str(made)}, "avx512", 1)
            if given.what in ("precision", "memory", "large"):
                break  # of the first model
    return 0


def read_texts() -> dict[str, list[str]]:
    """Texts of each set, evenly spaced in its own order, so that two runs read the same."""
    from lsr.data.beir import BeirDataset
    from lsr.data.sample import open_sample

    root = os.environ.get("LSR_COLLECTIONS")
    if not root:
        sys.exit("LSR_COLLECTIONS must name the folder that holds msmarco-dl")
    sets = {"docstrings": open_sample(), "msmarco-dl": BeirDataset.open(Path(root) / "msmarco-dl")}
    texts = {}
    for name, dataset in sets.items():
        every = [document.encoder_text() for document in dataset.documents()]
        texts[name] = spread(every, TEXTS[name])
    texts["queries"] = [query.text for query in sets["msmarco-dl"].queries]
    return texts


def digests(texts: dict[str, list[str]]) -> dict[str, str]:
    """SHA-256 of each set's texts: the docstrings are the running Python's, so this says which were read."""
    return {name: hashlib.sha256(json.dumps(each).encode()).hexdigest() for name, each in texts.items()}


def spread(texts: list[str], n: int) -> list[str]:
    return [texts[at * len(texts) // n] for at in range(min(n, len(texts)))]


def model_folder(name: str, work: Path, texts: Path) -> Path:
    from lsr.encoders.loading import SPLADE_TINY

    if name == "splade-tiny":
        return SPLADE_TINY.locate()
    folder = work / name
    subprocess.run([sys.executable, HERE / MAKERS[name], folder, texts], check=True)
    return folder


def run_worker(task: dict[str, object], isa: str, threads: int) -> None:
    limits = LIMITS[isa] | {"OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
    load = psutil.getloadavg()[0]
    command = [sys.executable, str(HERE / "encoder_worker.py"), json.dumps(task | {"threads": threads})]
    done = subprocess.run(command, env=os.environ | limits, check=True, stdout=subprocess.PIPE, text=True)
    facts = {"what": task["what"], "model": task["model"], "isa": isa, "threads": threads, "load": load}
    for line in done.stdout.splitlines():
        print(json.dumps(facts | json.loads(line)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
