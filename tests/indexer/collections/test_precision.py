from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsr.indexer.fields import FieldSpec
from lsr.indexer.precision import decode, encode, scale_for
from lsr.indexer.verify import verify_index

from lsr.errors import InvalidArgumentError
from lsr.vocabulary import Vocabulary

weights = st.lists(st.floats(2.0**-100, 2.0**100, width=32), min_size=1, max_size=20).map(
    lambda values: np.array(values, np.float32)
)
VOCABULARY = Vocabulary(["a"])


@given(values=weights)
def test_float16_is_the_nearest_and_never_zero(values):
    stored, clamped = encode(values, "float16", None)
    back = decode(stored, None)
    assert np.all(back > 0)
    within = (values >= 2.0**-24) & (values <= 65504)
    assert np.all(np.abs(back - values)[within] <= np.maximum(values[within] * 2.0**-11, 2.0**-25))
    assert clamped <= np.sum(~within)


@given(values=weights)
def test_uint8_is_the_nearest_multiple_of_the_scale(values):
    scale = scale_for(float(values.max()))
    stored, clamped = encode(values, "uint8", scale)
    assert stored.dtype == np.uint8
    assert stored.min() >= 1
    fits = values >= scale / 2
    assert np.all(np.abs(decode(stored, scale).astype(np.float64) - values)[fits] <= scale * 0.501)
    assert clamped == np.sum(np.rint(values.astype(np.float64) / scale) < 1)


def test_float32_is_kept():
    values = np.array([1e-40, 3.4e38], np.float32)
    stored, clamped = encode(values, "float32", None)
    assert stored is values
    assert clamped == 0


def test_what_was_clamped_is_counted(lab, doc):
    lab.create([doc("a", {0: 1.0, 1: 0.001}), doc("b", {2: 300.0})], fields={"storage": "uint8", "scale": 1.0})
    collection = lab.read()
    assert collection.field("learned").n_clamped == 2
    assert collection.vector(0, "learned")[1].tolist() == [1.0, 1.0]
    assert collection.vector(1, "learned")[1].tolist() == [255.0]


@pytest.mark.parametrize("scale", [0.02, 0.1, 1 / 3])
def test_weights_and_scores_are_the_same_under_any_scale(lab, doc, scale):
    """0.02 × 7 in float64 is not float32(0.02) × 7: who multiplies how must not differ."""
    docs = [doc(f"d{code}", {code % 12: code * scale}) for code in range(1, 256)]
    lab.create(docs, fields={"storage": "uint8", "scale": scale})
    collection = lab.read()
    assert collection.manifest.field("learned").scale == float(np.float32(scale))
    scored = dict(lab.answer(collection, dict.fromkeys(range(12), 1.0), k=300))
    stored = {f"d{at + 1}": float(collection.vector(at, "learned")[1][0]) for at in range(255)}
    assert scored == stored
    assert verify_index(lab.path, full=True, samples=50).problems == []


def test_the_scale_is_that_of_the_first_commit(lab, doc):
    lab.create([doc("a", {0: 2.55})], fields={"storage": "uint8"})
    with lab.open() as writer:
        lab.add(writer, [doc("b", {0: 10.0})])
        writer.commit()
        writer.merge(full=True)
    collection = lab.read()
    assert collection.manifest.field("learned").scale == pytest.approx(0.01)
    assert collection.vector(1, "learned")[1].tolist() == pytest.approx([2.55])


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"name": "Learned"}, "field name 'Learned': use a lower-case letter"),
        ({"name": "../x"}, "field name '../x'"),
        ({"kind": "dense"}, "kind must be one of encoded, counted, not 'dense'"),
        ({"storage": "int4"}, "storage must be one of float32, float16, uint8, not 'int4'"),
        ({"vocabulary": None}, "an encoded field needs its model's vocabulary"),
        ({"kind": "counted"}, "a counted one grows its own"),
        ({"kind": "counted", "vocabulary": None, "storage": "uint8"}, "a counted field stores counts"),
        ({"scale": 0.1}, "a scale above 0, within float32's range, goes with uint8 storage"),
        ({"storage": "uint8", "scale": 0.0}, "goes with uint8 storage, not 0.0"),
        ({"storage": "uint8", "scale": 1e-50}, "goes with uint8 storage, not 1e-50"),
        ({"storage": "uint8", "scale": 1e38}, r"goes with uint8 storage, not 1e\+38"),
        ({"weight": -1.0}, "weight must be 0 or more, not -1.0"),
        ({"weight": float("nan")}, "weight must be 0 or more, not nan"),
        ({"k1": -1.0}, "BM25 needs k1 of 0 or more"),
        ({"b": 1.5}, "b from 0 to 1, not 0.9 and 1.5"),
    ],
)
def test_fields_that_make_no_sense_are_refused(facts, message):
    with pytest.raises(InvalidArgumentError, match=message):
        FieldSpec(**{"name": "learned", "kind": "encoded", "vocabulary": VOCABULARY, **facts})
