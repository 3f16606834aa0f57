"""``lsr serve``: an index over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from lsr.cli import options
from lsr.cli.output import notes


def serve(
    index: options.Index,
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every interface.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8080,
    model: options.QueryTimeModel = None,
    queries: options.Queries = None,
    transform: options.Transform = None,
    device: options.Device = "cpu",
    threads: options.Threads = None,
    queue: Annotated[
        int, typer.Option(min=1, help="Searches waiting or running before others are told to come back.")
    ] = 64,
    max_body: Annotated[str, typer.Option(help="Largest request body.")] = "1M",
    writable: Annotated[
        bool, typer.Option("--writable", help="Take the index's lock, and let requests change documents.")
    ] = False,
    mode: options.SearchMode = options.Mode.EXACT,
    recall: options.Recall = None,
    load: Annotated[
        options.Load, typer.Option(help="Map the index's files, or read them into memory first.")
    ] = options.Load.MAP,
) -> None:
    """Serve an index: a search page at `/`, the API under `/v1`, its description at `/docs`.

    `--mode` and `--recall` are for requests that name no mode.

    New commits of the index appear by themselves. Ctrl-C finishes the requests under way and stops.

    **Examples**

    `lsr serve my.index`

    `lsr serve my.index --writable`

    `lsr serve my.index --host 0.0.0.0 --port 80 --threads 4`

    `curl 'http://127.0.0.1:8080/v1/search?q=read+a+file&k=3'`
    """
    from pydantic import ValidationError

    from lsr.fields import Opening
    from lsr.indexing import available_threads
    from lsr.server.run import run
    from lsr.server.settings import ServerSettings, refused

    try:
        settings = ServerSettings(
            threads=threads or available_threads(),
            queue=queue,
            max_body_bytes=options.parse_memory(max_body) or 0,
            mode=mode.value,
            recall=recall,
        )
    except ValidationError as error:
        raise refused(error, {"max_body_bytes": "--max-body"}) from None
    options.reach_own_modules(transform)
    run(
        index,
        opening=Opening(model=model, queries=queries, transform=transform, device=device),
        host=host,
        port=port,
        settings=settings,
        load=load.value,
        writable=writable,
        on_ready=lambda address: notes().print(f"serving {index} at {address}  (Ctrl-C stops)"),
    )
