"""Model folders from the Hugging Face hub's local cache or, with a network, from the hub."""

from __future__ import annotations

import re
from pathlib import Path

from lsr.encoders.files import BGE_M3_FILE
from lsr.errors import ModelNotFoundError

# Not ./folder or ../folder: no part of a hub name begins with a dot or a hyphen.
HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
# Weights in safe forms, configuration and tokenizers; never code or pickles that are not weights.
WANTED = ["*.json", "*.txt", "*.model", "*.safetensors", "pytorch_model*.bin", BGE_M3_FILE, "README.md"]


def download(name: str) -> Path:
    """The local folder of a hub model. Raises ModelNotFoundError with the cause and what to do."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=WANTED))
    except LocalEntryNotFoundError:
        raise ModelNotFoundError(
            f"{name}: not in this machine's hub cache, and the hub cannot be reached. Download it where"
            f" there is a network (`hf download {name}`) and give the folder's path."
        ) from None
    except HFValidationError as error:
        raise ModelNotFoundError(f"{name}: no such folder, and no hub name either: {error}") from None
    except (HfHubHTTPError, OSError) as error:
        raise ModelNotFoundError(
            f"{name}: the hub does not give it: {str(error).splitlines()[0]} Check the name, and log in with"
            " `hf auth login` if the model is private."
        ) from None
