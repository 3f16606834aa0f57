"""What the scripts that search sets of vectors are asked for alike."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

HERE = Path(__file__).resolve().parent


def sets_parser(description: str | None) -> argparse.ArgumentParser:
    """Which sets, where they lie, and with how many queries; a script adds its own options."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--collections", type=Path, default=os.environ.get("LSR_COLLECTIONS"))
    parser.add_argument("--cache", type=Path, default=HERE / "cache", help="where vectors are kept")
    parser.add_argument(
        "--sets", nargs="+", default=["msmarco-dl"], help="collection, or collection:n for a mixture"
    )
    parser.add_argument("--queries", type=int, default=1000, help="questions beside the collection's own")
    parser.add_argument("--most", type=int, default=None, help="use no more queries than this in all")
    parser.add_argument(
        "--load",
        choices=["map", "memory"],
        default="map",
        help="vectors of mixtures as mapped files, or copied into memory (huge pages)",
    )
    return parser


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options given; without a folder of collections there is nothing to do."""
    options = parser.parse_args()
    if options.collections is None:
        parser.error("name the folder of collections with --collections or LSR_COLLECTIONS")
    options.collections = Path(options.collections)
    return options
