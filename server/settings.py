"""What an operator can set: by argument, flag of ``lsr serve`` or environment (``LSR_SERVER_MAX_K=100``).

Flags that have a default override the environment.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from lsr.errors import InvalidArgumentError
from lsr.requests import Mode

PREFIX = "LSR_SERVER_"


class ServerSettings(BaseSettings):
    """Limits and sizes of one server; arguments of unknown names are refused."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    threads: int = Field(default=2, ge=1, description="searches that run at the same time")
    queue: int = Field(default=64, ge=1, description="searches waiting or running before others get a 503")
    encode_batch: int = Field(default=32, ge=1, description="query texts encoded together at most")
    max_body_bytes: int = Field(default=1_000_000, ge=1_000, description="largest request body")
    max_k: int = Field(default=10_000, ge=1, description="largest offset + k of one request")
    mode: Mode = Field(default="exact", description="mode of requests that name none")
    recall: float | None = Field(default=None, description="recall of those, if that mode is fast")
    poll_seconds: float = Field(default=1.0, gt=0, description="how often a new generation is looked for")


def refused(error: ValidationError, flags: Mapping[str, str]) -> InvalidArgumentError:
    """What is wrong with a setting, under the name that it was given by: a flag or an environment variable."""
    said = []
    for each in error.errors():
        name = str(each["loc"][0]) if each["loc"] else ""
        said.append((flags.get(name, PREFIX + name.upper()), f"{each['msg']}, not {each['input']!r}"))
    return InvalidArgumentError("; ".join(f"{name}: {text}" for name, text in said), field=said[0][0])
