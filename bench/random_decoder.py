"""Make the benchmark's decoder: a Llama of random weights with a vocabulary as large as Llama 3's.

    python bench/random_decoder.py FOLDER TEXTS.json

12 layers x 768, 12 heads on 4 of keys and values, an output layer of its own over 128,256 terms; byte-level BPE
trained on the texts, with BOS in front. Llama has no bias that could make its vectors sparse, so all token
embeddings share one direction, and the output layer's rows lean against it, as far as leaves 300 non-zeros.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

VOCABULARY = 128_256
WIDTH = 768
NON_ZEROS = 300
TRAINED_TERMS = 16_000
CALIBRATION_TEXTS = 8
SHARED = 60.0  # twice what twelve random layers add, so that every position keeps the direction


def make_decoder(folder: Path, texts: Sequence[str]) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = train_tokenizer(texts)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=2048,
        num_hidden_layers=12,
        num_attention_heads=12,
        num_key_value_heads=4,
        max_position_embeddings=512,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config).eval()
    with torch.inference_mode():
        lean_against_a_shared_direction(model, tokenizer, texts[:CALIBRATION_TEXTS])
    model.save_pretrained(folder)


def train_tokenizer(texts: Sequence[str]) -> Any:
    from tokenizers import ByteLevelBPETokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    special = ["<s>", "</s>", "<pad>"]
    trained.train_from_iterator(texts, vocab_size=TRAINED_TERMS, special_tokens=special, show_progress=False)
    backend = trained._tokenizer
    backend.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


def lean_against_a_shared_direction(model: Any, tokenizer: Any, texts: Sequence[str]) -> None:
    """A term has weight in a text where hidden · row exceeds lean * (hidden · direction) at some position."""
    direction = torch.nn.functional.normalize(torch.randn(WIDTH), dim=0)
    model.model.embed_tokens.weight += SHARED * direction
    rows = model.lm_head.weight
    largest = []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        echoed = torch.tensor([[model.config.bos_token_id, *ids, *ids]])
        hidden = model.model(echoed, use_cache=False).last_hidden_state[0, -len(ids) :]
        largest.append((hidden @ rows.T / (hidden @ direction)[:, None]).amax(dim=0))
    every = torch.stack(largest).flatten()
    lean = every.kthvalue(every.numel() - NON_ZEROS * len(texts)).values
    rows -= lean * direction


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    make_decoder(Path(arguments[0]), json.loads(Path(arguments[1]).read_text())["msmarco-dl"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
