"""Every error a user can meet.

A message says what is wrong, where, why, and what to do about it. The class says who must act and fixes
three things that programs rely on: ``code`` (stable, kebab-case, listed in docs/errors.md), the HTTP status,
and the exit status of the command line.

    LsrError
    ├── InvalidArgumentError      a value given by the caller (also a ValueError)
    ├── InputError                a file or stream being read: path, line, field
    │   ├── SourceNotFoundError
    │   ├── EmptySourceError
    │   └── DuplicateIdError
    ├── IndexError_               an index directory
    │   ├── IndexNotFoundError
    │   ├── IndexExistsError
    │   ├── UnfinishedBuildError
    │   ├── IndexFormatError
    │   │   ├── IndexTooOldError
    │   │   ├── IndexTooNewError
    │   │   └── IndexCorruptError
    │   ├── NotTunedError         fast search with a recall that `lsr tune` never looked for
    │   ├── IndexLockedError
    │   └── IndexReadOnlyError
    ├── ModelError                a model's files
    │   ├── ModelNotFoundError
    │   ├── ModelUnsupportedError
    │   └── ModelMismatchError    a query made with another model or vocabulary than the index's
    ├── DocumentNotFoundError
    ├── ResourceError             memory, disk or a port that is not to be had
    └── OverloadedError           a full queue: try again later
"""

from __future__ import annotations

from typing import ClassVar


class LsrError(Exception):
    """Base of all errors that the user, not this package, can mend."""

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 400
    exit_status: ClassVar[int] = 2

    @property
    def message(self) -> str:
        return str(self)


class InvalidArgumentError(LsrError, ValueError):
    """A value that the caller gave. ``field`` names it as the caller wrote it (``k``, ``fields[1].weight``)."""

    code = "invalid-argument"
    http_status = 422

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class InputError(LsrError):
    """A record that cannot be used. The message begins with ``path:line``, as compilers write it."""

    code = "invalid-input"
    http_status = 422

    def __init__(
        self, message: str, *, path: str | None = None, line: int | None = None, field: str | None = None
    ) -> None:
        place = ":".join(str(part) for part in (path, line) if part is not None)
        super().__init__(f"{place}: {message}" if place else message)
        self.path = path
        self.line = line
        self.field = field


class SourceNotFoundError(InputError):
    code = "source-not-found"
    http_status = 404


class EmptySourceError(InputError):
    code = "no-documents"


class DuplicateIdError(InputError):
    code = "duplicate-id"


class IndexError_(LsrError):  # noqa: N801, N818 - the builtin IndexError is something else
    """An index directory that cannot be used as asked."""

    code = "index-error"


class IndexNotFoundError(IndexError_):
    code = "index-not-found"
    http_status = 404


class IndexExistsError(IndexError_):
    code = "index-exists"
    http_status = 409


class UnfinishedBuildError(IndexError_):
    code = "unfinished-build"
    http_status = 409


class IndexFormatError(IndexError_):
    """The bytes on disk are not what this release reads."""

    code = "index-format"
    http_status = 500


class IndexTooOldError(IndexFormatError):
    code = "index-too-old"


class IndexTooNewError(IndexFormatError):
    code = "index-too-new"


class IndexCorruptError(IndexFormatError):
    code = "index-corrupt"


class NotTunedError(IndexError_):
    code = "not-tuned"
    http_status = 409


class IndexLockedError(IndexError_):
    code = "index-locked"
    http_status = 409


class IndexReadOnlyError(IndexError_):
    code = "index-read-only"
    http_status = 409


class ModelError(LsrError):
    code = "model-error"


class ModelNotFoundError(ModelError):
    code = "model-not-found"
    http_status = 404


class ModelUnsupportedError(ModelError):
    """A model that would give meaningless vectors here, such as one without its masked-LM head."""

    code = "model-unsupported"
    http_status = 422


class ModelMismatchError(ModelError):
    code = "model-mismatch"
    http_status = 409


class DocumentNotFoundError(LsrError):
    code = "document-not-found"
    http_status = 404


class ResourceError(LsrError):
    """Memory, disk space, a file handle or a port that the machine does not have to give."""

    code = "resource-exhausted"
    http_status = 507


class OverloadedError(LsrError):
    code = "overloaded"
    http_status = 503
