"""Transformers that turn token ids into hidden states, loaded without ever guessing a weight."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lsr.encoders.batching import is_out_of_memory
from lsr.encoders.composition import Precision
from lsr.encoders.eight_bits import EightBitLinear, store_in_8_bits
from lsr.encoders.files import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    VOCABULARY_FILES,
    longest_input,
    model_files,
    tokenizer_files,
)
from lsr.encoders.layouts import read_object
from lsr.encoders.tiled import VocabularyProjection
from lsr.errors import LsrError, ModelError, ModelNotFoundError, ModelUnsupportedError, ResourceError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]
# int8 stores weights in 8 bits and computes in float32.
DTYPES: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.float32,
}
# Layers no vector depends on, so a checkpoint may lack them.
UNUSED_LAYERS = ("pooler.",)
SETTINGS_FILES = ("config.json", "tokenizer_config.json", "tokenizer.json")
# The largest logit difference, relative to the largest logit, that splitting a head off may make.
SPLIT_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}


@dataclass(frozen=True, slots=True, eq=False)
class LanguageModel:
    """A language model cut before its last linear map, whose product would be as wide as the vocabulary.

    body: ids and attention mask in, the projection's input out, (texts, positions, width)
    longest: tokens the model has positions for; 0 for no limit
    headless: a transformer alone, whose projection is its input embeddings
    files: what was read, for the identity
    """

    body: nn.Module
    config: Any
    projection: VocabularyProjection
    tokenizer: Tokenizer
    terms: tuple[str, ...]
    longest: int
    n_parameters: int
    device: torch.device
    files: tuple[Path, ...]
    bidirectional: bool = False
    headless: bool = False

    @property
    def dtype(self) -> torch.dtype:
        return self.projection.weight.dtype

    def body_arrays(self) -> Mapping[str, FloatArray]:
        """The body's parameters by name; they share the tensors' memory where that is C-ordered."""
        return {name: _array(tensor) for name, tensor in self.body.state_dict().items()}

    def head_arrays(self) -> tuple[FloatArray, FloatArray | None]:
        """The projection's weight and bias."""
        bias = self.projection.bias
        return _array(self.projection.weight), _array(bias) if bias is not None else None

    @property
    def weight_bits(self) -> int:
        """Bits a weight of the body is stored in."""
        if any(isinstance(module, EightBitLinear) for module in self.body.modules()):
            return 8
        return torch.finfo(self.dtype).bits

    def head_inputs(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids, mask: int64, (texts, positions); mask is 1 for a token and 0 for padding."""
        output = self.body(input_ids=ids, attention_mask=self._attention(mask))
        inputs: Tensor = output.last_hidden_state if self.headless else output.logits
        return inputs

    def states(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The last layer's hidden states and the projection's inputs; only masked-LM heads part the two."""
        if self.headless:
            hidden = self.head_inputs(ids, mask)
            return hidden, hidden
        output = self.body(input_ids=ids, attention_mask=self._attention(mask), output_hidden_states=True)
        return output.hidden_states[-1], output.logits

    def _attention(self, mask: Tensor) -> Tensor:
        """For a causal model made bidirectional every query position sees every real key, in all layers."""
        if not self.bidirectional:
            return mask
        visible = torch.zeros(mask.shape, dtype=self.dtype, device=mask.device)
        visible.masked_fill_(mask == 0, torch.finfo(self.dtype).min)
        return visible[:, None, None, :].expand(-1, 1, mask.shape[1], -1)


def _array(tensor: Tensor) -> FloatArray:
    return np.ascontiguousarray(tensor.detach().numpy())


def load_masked_lm(folder: Path, *, device: str = "cpu", precision: Precision = "float32") -> LanguageModel:
    """A masked language model and its tokenizer from a Hugging Face folder.

    Raises ModelUnsupportedError if the checkpoint lacks a weight, above all those of the masked-LM head: run
    with random ones it would give valid-looking nonsense.
    """
    from transformers import AutoModelForMaskedLM

    model = _load_whole(AutoModelForMaskedLM, folder, precision)
    return split_head(_ready(model, device, precision), folder)


def load_headless(folder: Path, *, device: str = "cpu", precision: Precision = "float32") -> LanguageModel:
    """A transformer without a language model's head; a checkpoint may hold one, which is left out."""
    from transformers import AutoModel

    model = _ready(_load_whole(AutoModel, folder, precision), device, precision)
    embeddings = model.get_input_embeddings().weight.detach()
    tokenizer, terms = load_tokenizer(folder, len(embeddings))
    return LanguageModel(
        body=model,
        config=model.config,
        projection=VocabularyProjection(embeddings, None),
        tokenizer=tokenizer,
        terms=terms,
        longest=longest_input(model.config),
        n_parameters=sum(each.numel() for each in model.parameters()),
        device=embeddings.device,
        files=model_files(folder),
        headless=True,
    )


def load_causal_lm(
    folder: Path,
    *,
    device: str = "cpu",
    precision: Precision = "float32",
    bidirectional: bool = False,
    tied: bool = False,
    adapter: Path | None = None,
) -> LanguageModel:
    """A causal language model (Llama, Mistral, Qwen, Gemma, ...), its adapter merged in.

    tied: its input embeddings take the place of an output layer of its own; an adapter of that layer is added
    Raises as ``load_masked_lm`` does, and ModelError if peft is not there to read the adapter.
    """
    from transformers import AutoModelForCausalLM

    model = _load_whole(AutoModelForCausalLM, folder, precision)
    if tied:
        tie_output(model)
    if adapter is not None:
        model = merge_adapter(model, adapter)
    model.config.use_cache = False
    loaded = split_head(_ready(model, device, precision), folder)
    files = loaded.files + (tuple(sorted(adapter.glob("adapter_*"))) if adapter is not None else ())
    return replace(loaded, bidirectional=bidirectional, files=files)


def tie_output(model: Any) -> None:
    """Make a copy of the input embeddings the output layer, unless they are one already.

    A copy, because an adapter may be merged into the output layer and must leave the input alone.
    """
    embeddings, output = model.get_input_embeddings().weight, model.get_output_embeddings()
    if output.weight is not embeddings:
        output.weight = nn.Parameter(embeddings.detach().clone(), requires_grad=False)


def merge_adapter(model: Any, adapter: Path) -> Any:
    """The model with a LoRA adapter's product added to its weights."""
    try:
        from peft import PeftModel
    except ImportError:
        raise ModelError(
            f"{adapter}: reading a LoRA adapter needs the package peft: run `pip install 'lsr[lora]'`."
        ) from None
    if not (adapter / ADAPTER_CONFIG).is_file():
        raise ModelNotFoundError(f"{adapter}: no {ADAPTER_CONFIG} there, so it is not a LoRA adapter.")
    if not any((adapter / name).is_file() for name in ADAPTER_WEIGHTS):  # peft would ask the hub for them
        raise ModelNotFoundError(
            f"{adapter}: holds {ADAPTER_CONFIG}, but not the adapter's weights"
            f" ({' or '.join(ADAPTER_WEIGHTS)}). Copy the whole folder."
        )
    with loading_errors(adapter, "peft"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of peft, about transformers' own names
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()


def _ready(model: Any, device: str, precision: Precision) -> Any:
    model = model.eval()
    if precision == "int8":
        store_in_8_bits(model, keep=model.get_output_embeddings())
    return model.to(device)


def split_head(model: Any, folder: Path) -> LanguageModel:
    """Cut the output projection off ``model``, and check on one short text that nothing was lost."""
    tokenizer, terms = load_tokenizer(folder, model.config.vocab_size)
    linear = model.get_output_embeddings()
    device = linear.weight.device
    projection = VocabularyProjection(
        linear.weight.detach(),
        linear.bias.detach() if getattr(linear, "bias", None) is not None else None,
        getattr(model.config, "final_logit_softcapping", None),
    )
    ids = torch.arange(1, 9, device=device).remainder(model.config.vocab_size).unsqueeze(0)
    n_parameters = sum(each.numel() for each in model.parameters())
    with torch.inference_mode():
        whole = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        _replace(model, linear, nn.Identity())
        if projection.cap is not None:
            model.config.final_logit_softcapping = None
        inputs = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        parts = projection.finish(inputs @ projection.weight.T, slice(None))
    _check_split(whole, parts, folder)
    return LanguageModel(
        body=model,
        config=model.config,
        projection=projection,
        tokenizer=tokenizer,
        terms=terms,
        longest=longest_input(model.config),
        n_parameters=n_parameters,
        device=device,
        files=model_files(folder),
    )


def load_tokenizer(folder: Path, vocabulary_size: int | None) -> tuple[Tokenizer, tuple[str, ...]]:
    """The fast tokenizer of a folder and its tokens in the order of their ids.

    vocabulary_size: of the model, which may round up (128,256 rows for 128,000 tokens); rows without a token
        are named by their id. None: the tokenizer's own.
    """
    from transformers import AutoTokenizer

    if not folder.is_dir():
        raise ModelNotFoundError(f"{folder}: no such folder to read a tokenizer from.")
    if not any(path.name in VOCABULARY_FILES for path in tokenizer_files(folder)):
        raise ModelUnsupportedError(f"{folder}: holds no tokenizer (none of {', '.join(VOCABULARY_FILES)}).")
    with loading_errors(folder):
        wrapped = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    if not wrapped.is_fast:
        raise ModelUnsupportedError(
            f"{folder}: its tokenizer ({type(wrapped).__name__}) has no tokenizer.json form."
            " Convert it with transformers (save_pretrained of a fast tokenizer) and load that."
        )
    backend: Tokenizer = wrapped.backend_tokenizer
    known = {index: token for token, index in backend.get_vocab(with_added_tokens=True).items()}
    size = vocabulary_size if vocabulary_size is not None else max(known) + 1
    return backend, tuple(known.get(index, f"<id {index}>") for index in range(size))


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Run with ``count`` torch threads and put the process's own number back; None leaves it alone."""
    if count is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _load_whole(auto_class: Any, folder: Path, precision: Precision) -> Any:
    """The model, or an error that names what the checkpoint lacks. Never executes code from the folder."""
    if not (folder / "config.json").is_file():
        raise ModelNotFoundError(f"{folder}: no config.json there, so it is not a Hugging Face model folder.")
    with _quiet_transformers(), loading_errors(folder):
        model, report = auto_class.from_pretrained(
            str(folder), dtype=DTYPES[precision], output_loading_info=True, trust_remote_code=False
        )
    absent = [key for key in sorted(report["missing_keys"]) if not key.startswith(UNUSED_LAYERS)]
    absent += sorted(str(key) for key in report["mismatched_keys"])
    if absent:
        shown = ", ".join(absent[:4]) + (f" and {len(absent) - 4} more" if len(absent) > 4 else "")
        raise ModelUnsupportedError(
            f"{folder}: the checkpoint lacks weights that {type(model).__name__} needs: {shown}."
            " They would be random and so would the vectors. Use a checkpoint saved with its head."
        )
    return model


@contextmanager
def loading_errors(folder: Path, library: str = "transformers") -> Iterator[None]:
    """Give what a library raises for a broken or unknown folder a name, a place and one line."""
    try:
        yield
    except LsrError:
        raise
    except Exception as error:  # settings of a wrong type or value end in whatever reads them first
        if is_out_of_memory(error):
            raise ResourceError(f"{folder}: no memory to load the model.") from error
        for name in SETTINGS_FILES:
            if (folder / name).is_file():
                read_object(folder / name)  # the reason, where one of them is at fault as a whole
        lines = (str(error).strip() or type(error).__name__).splitlines()
        cause = " ".join(line.strip() for line in lines[: 2 if lines[0].endswith(":") else 1])
        raise ModelUnsupportedError(
            f"{folder}: {library} cannot load it: {cause} (Code that a folder brings along is never run.)"
        ) from error


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Without the bar and the table of weights that transformers writes to standard error while it loads.

    What the table says of missing weights is checked here and raised; of the others it only alarms people.
    """
    from transformers.utils import logging as transformers_logging

    shown, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if shown:
            transformers_logging.enable_progress_bar()


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put ``new`` wherever ``model`` calls ``old``."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if child is old:
                setattr(parent, name, new)


def _check_split(whole: Tensor, parts: Tensor, folder: Path) -> None:
    scale = max(1.0, float(whole.abs().max()))
    difference = float((whole.float() - parts.float()).abs().max()) / scale
    if not difference <= SPLIT_TOLERANCE[whole.dtype]:
        raise ModelUnsupportedError(
            f"{folder}: its logits are not the output layer's product (they differ by {difference:.2g} of the"
            " largest), so this architecture scales or changes them in a way that is not known here."
        )
