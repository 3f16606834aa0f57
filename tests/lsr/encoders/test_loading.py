"""Finding an encoder, and refusing what would give meaningless vectors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from lsr.encoders.loading import load_encoder
from lsr.encoders.saving import save_encoder
from lsr.errors import ModelError, ModelNotFoundError, ModelUnsupportedError


def test_a_model_without_its_head_is_refused_by_name(
    tmp_path: Path, tiny_bert: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers import BertModel

    shutil.copytree(tiny_bert, tmp_path / "headless")
    BertModel.from_pretrained(tiny_bert).save_pretrained(tmp_path / "headless")
    capfd.readouterr()
    with pytest.raises(ModelUnsupportedError, match=r"headless: .*BertForMaskedLM needs: cls\.predictions"):
        load_encoder(tmp_path / "headless")
    assert capfd.readouterr().err == ""  # transformers would print a report of its own


def test_loading_says_nothing_but_what_is_wrong(
    tmp_path: Path, tiny_bert: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """transformers prints a table of weights left out or missing; what matters of it is an error here."""
    from transformers.utils import logging as transformers_logging

    before = transformers_logging.get_verbosity()
    with pytest.raises(ModelUnsupportedError, match=r"needs the weights token\.weight"):
        load_encoder(tiny_bert, method="unicoil")
    said = capfd.readouterr()
    assert said.out + said.err == ""
    assert transformers_logging.get_verbosity() == before


def test_an_architecture_that_rescales_its_logits_is_refused(
    tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import BertForMaskedLM

    plain = BertForMaskedLM.forward

    def scaled(self, **inputs):  # type: ignore[no-untyped-def]
        output = plain(self, **inputs)
        output.logits = output.logits * 0.5 + 1.0
        return output

    monkeypatch.setattr(BertForMaskedLM, "forward", scaled)
    with pytest.raises(ModelUnsupportedError, match="logits are not the output layer's product"):
        load_encoder(tiny_bert, kernel="torch")


def test_folders_without_a_model_say_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"neither lsr\.json, .*, config\.json .* nor adapter_"):
        load_encoder(tmp_path)
    with pytest.raises(ModelNotFoundError, match="no such folder, not a hub name"):
        load_encoder(tmp_path / "absent")


def test_hub_names_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def unreachable(name: str, **_: object) -> str:
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(
        ModelNotFoundError, match=r"not in this machine's hub cache.*hf download naver/splade-v3"
    ):
        load_encoder("naver/splade-v3")


def test_hub_names_come_from_the_cache(
    monkeypatch: pytest.MonkeyPatch, tiny_bert: Path, texts: Sequence[str]
) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: str(tiny_bert))
    encoder = load_encoder("someone/tiny")
    assert encoder.describe().name == "someone/tiny"
    assert (
        encoder.encode_queries(texts).weights.tolist()
        == load_encoder(tiny_bert).encode_queries(texts).weights.tolist()
    )


def test_lsr_json_is_read_strictly(tmp_path: Path, tiny_bert: Path) -> None:
    folder = tmp_path / "ours"
    save_encoder(load_encoder(tiny_bert), folder)
    written = json.loads((folder / "lsr.json").read_text())
    written["document"]["head"]["pooling"] = "mean"
    written["query"]["colour"] = "blue"
    written["format"] = 2
    (folder / "lsr.json").write_text(json.dumps(written))
    with pytest.raises(ModelError) as caught:
        load_encoder(folder)
    for part in ("lsr.json", "document.neural.head.vocabulary.pooling", "query.neural.colour", "format"):
        assert part in str(caught.value)


def test_everything_that_a_published_folder_is_read_from_is_downloaded() -> None:
    from fnmatch import fnmatch

    from lsr.encoders.files import BGE_M3_FILE, HEAD_FILE, VOCABULARY_FILES
    from lsr.encoders.hub import WANTED

    for name in (BGE_M3_FILE, HEAD_FILE, *VOCABULARY_FILES, "lsr.json", "words.txt", "idf.json"):
        assert any(fnmatch(name, pattern) for pattern in WANTED), name
    assert not any(fnmatch(name, pattern) for pattern in WANTED for name in ("model.py", "training_args.bin"))


def test_a_copied_folder_keeps_its_identity(tmp_path: Path, tiny_bert: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "copy")
    identity = load_encoder(tiny_bert).describe().identity
    assert load_encoder(tmp_path / "copy").describe().identity == identity
    weights = tmp_path / "copy" / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    assert load_encoder(tmp_path / "copy").describe().identity != identity


def test_the_licence_is_read_from_the_model_card(tmp_path: Path, tiny_bert: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "card")
    assert load_encoder(tmp_path / "card").describe().licence == "unknown"
    (tmp_path / "card" / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\n# A model\n")
    assert load_encoder(tmp_path / "card").describe().licence == "mit"


def test_damaged_weights_are_named(tmp_path: Path, tiny_bert: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "torn")
    weights = tmp_path / "torn" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelUnsupportedError, match="torn: transformers cannot load it"):
        load_encoder(tmp_path / "torn")


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "tokenizer.json"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "holds a list, not an object of settings"),
        ("null", "holds null, not"),
        ("7", "holds the number 7, not"),
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_a_settings_file_that_holds_none_is_named(
    tmp_path: Path, tiny_bert: Path, file: str, content: str, says: str
) -> None:
    shutil.copytree(tiny_bert, tmp_path / "odd")
    (tmp_path / "odd" / file).write_text(content)
    with pytest.raises(ModelError, match=rf"odd/{file}: {says}.* Fetch the model's folder again"):
        load_encoder(tmp_path / "odd")


@pytest.mark.parametrize(
    "odd",
    [
        {"model_type": []},
        {"architectures": 7},
        {"architectures": [7]},
        {"hidden_size": "x"},
        {"hidden_size": None},
        {"num_hidden_layers": []},
        {"num_attention_heads": 0},
        {"hidden_act": 3},
        {"layer_norm_eps": "x"},
        {"pad_token_id": "x"},
        {"is_decoder": "x"},
    ],
)
def test_settings_of_a_wrong_type_are_an_error_that_names_the_folder(
    tmp_path: Path, tiny_bert: Path, odd: dict[str, object]
) -> None:
    shutil.copytree(tiny_bert, tmp_path / "odd")
    settings = json.loads((tmp_path / "odd/config.json").read_text())
    (tmp_path / "odd/config.json").write_text(json.dumps({**settings, **odd}))
    with pytest.raises(ModelError, match=r"odd(/config.json)?: "):
        load_encoder(tmp_path / "odd")


def test_code_in_a_folder_is_never_run(tmp_path: Path, tiny_bert: Path) -> None:
    folder = tmp_path / "code"
    shutil.copytree(tiny_bert, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "homemade",
        "auto_map": dict.fromkeys(("AutoConfig", "AutoModelForMaskedLM"), "evil.Evil"),
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(ModelUnsupportedError, match="never run"):
        load_encoder(folder)
    assert not (tmp_path / "ran").exists()


def test_a_folder_without_a_tokenizer(tmp_path: Path, tiny_bert: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "mute")
    for path in (tmp_path / "mute").glob("*token*"):
        path.unlink()
    with pytest.raises(ModelUnsupportedError, match="mute: holds no tokenizer"):
        load_encoder(tmp_path / "mute")
