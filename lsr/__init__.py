"""Learned sparse retrieval: encode, index, search and evaluate.

    import lsr

    pipeline = lsr.Pipeline.open("my.index")
    answer = pipeline.search(lsr.SearchRequest("how do I read a file", k=5))
    for hit in answer.hits:
        print(hit.score, hit.id, hit.document.title)

What ``__all__`` names is documented and stable; everything else may change. Nothing heavy is loaded before it
is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsr.analysis import Analyzer as Analyzer
    from lsr.data.documents import Document as Document
    from lsr.data.documents import Query as Query
    from lsr.encoders.base import SparseEncoder as SparseEncoder
    from lsr.encoders.loading import load_encoder as load_encoder
    from lsr.errors import LsrError as LsrError
    from lsr.indexer.collection import Collection as Collection
    from lsr.indexer.writer import CollectionWriter as CollectionWriter
    from lsr.indexing import DocumentEncoder as DocumentEncoder
    from lsr.indexing import index_documents as index_documents
    from lsr.indexing import plan_index as plan_index
    from lsr.pipeline import Pipeline as Pipeline
    from lsr.requests import SearchAnswer as SearchAnswer
    from lsr.requests import SearchRequest as SearchRequest
    from lsr.vectors import SparseVectors as SparseVectors
    from lsr.vocabulary import Vocabulary as Vocabulary

_WHERE = {
    "Analyzer": "lsr.analysis",
    "Collection": "lsr.indexer.collection",
    "CollectionWriter": "lsr.indexer.writer",
    "Document": "lsr.data.documents",
    "DocumentEncoder": "lsr.indexing",
    "LsrError": "lsr.errors",
    "Pipeline": "lsr.pipeline",
    "Query": "lsr.data.documents",
    "SearchAnswer": "lsr.requests",
    "SearchRequest": "lsr.requests",
    "SparseEncoder": "lsr.encoders.base",
    "SparseVectors": "lsr.vectors",
    "Vocabulary": "lsr.vocabulary",
    "index_documents": "lsr.indexing",
    "load_encoder": "lsr.encoders.loading",
    "plan_index": "lsr.indexing",
}

__all__ = sorted(_WHERE)  # noqa: PLE0605 - one list, not two


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'lsr' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
