"""POST and GET /v1/search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from lsr.requests import SearchRequest, to_json

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from lsr.pipeline import Pipeline


def without_times(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "took_ms"}


def test_post_get_and_python_give_the_same_answer(client: TestClient, small_pipeline: Pipeline) -> None:
    expected = to_json(small_pipeline.search(SearchRequest("read a file", k=2, explain=True, highlight=True)))
    body = {"query": "read a file", "k": 2, "explain": True, "highlight": True}

    posted = client.post("/v1/search", json=body)
    got = client.get("/v1/search", params={"q": "read a file", "k": 2, "explain": "true", "highlight": "true"})

    assert posted.status_code == got.status_code == 200
    assert isinstance(expected, dict)
    assert without_times(posted.json()) == without_times(got.json()) == without_times(expected)
    assert set(posted.json()["took_ms"]) == {"encode", "retrieve", "fetch", "explain", "total"}


def test_vectors_in_both_shapes(client: TestClient) -> None:
    terms = client.post("/v1/search", json={"vector": {"learned": {"terms": {"read": 1.0, "open": 0.5}}}})
    ids = client.post("/v1/search", json={"vector": {"learned": {"indices": [0, 9], "values": [1, 0.5]}}})
    text = client.post("/v1/search", json={"query": "read", "fields": {"learned": 1}})

    assert terms.status_code == 200
    assert terms.json()["hits"] == ids.json()["hits"] == text.json()["hits"]


def test_only_the_parts_asked_for(client: TestClient) -> None:
    answer = client.post("/v1/search", json={"query": "read", "documents": ["title"]}).json()

    assert answer["hits"][0]["document"] == {"title": "Reading files"}


BAD_BODIES: list[tuple[dict[str, Any], str, str, str]] = [
    ({"query": "x", "k": 0}, "invalid-argument", "k", "greater than or equal to 1, not 0"),
    ({"query": "x", "k": "5"}, "invalid-argument", "k", 'valid integer, not "5"'),
    ({"query": "x", "mode": "quick"}, "invalid-argument", "mode", "'exact' or 'fast', not \"quick\""),
    ({"query": "x", "kk": 3}, "unknown-field", "kk", "did you mean 'k'"),
    ({"query": "x", "explian": True}, "unknown-field", "explian", "did you mean 'explain'"),
    ({}, "invalid-argument", "query", "not neither"),
    ({"query": "x", "vector": {"learned": {"terms": {"read": 1}}}}, "invalid-argument", "query", "not both"),
    ({"query": "x", "fields": {"learnt": 1.0}}, "invalid-argument", "fields.learnt", "did you mean 'learned'"),
    ({"query": "x", "fields": {"learned": -1.0}}, "invalid-argument", "fields.learned", "greater than 0"),
    (
        {"vector": {"learned": {"terms": {"read": -0.5}}}},
        "invalid-argument",
        "vector.learned.terms.read",
        "greater than 0",
    ),
    (
        {"vector": {"learned": {"terms": {"read": 1e39}}}},
        "invalid-argument",
        "vector.learned",
        "float32 can hold",
    ),
    ({"vector": {"learned": {"terms": {"read": 1e-46}}}}, "invalid-argument", "vector.learned", "not 1e-46"),
    ({"vector": {"learned": {"terms": {"xyzzy": 1}}}}, "invalid-argument", "vector.learned", "no term 'xyzzy'"),
    (
        {"vector": {"learned": {"indices": [1, 2], "values": [1]}}},
        "invalid-argument",
        "vector.learned",
        "2 indices but 1 values",
    ),
    (
        {"vector": {"learned": {"indices": [1, 1], "values": [1, 1]}}},
        "invalid-argument",
        "vector.learned",
        "occurs twice",
    ),
    ({"vector": {"learned": {"terms": {"read": 1}, "w": 2}}}, "unknown-field", "", "vector.learned.w"),
    ({"vector": {"learned": {"read": 1}}}, "unknown-field", "", '{"terms": {"read": 1.0}}'),
    ({"query": "x", "documents": ["body"]}, "invalid-argument", "documents[0]", "'title', 'text' or"),
    ({"query": "x", "filter": "kind ="}, "invalid-argument", "filter", "filter"),
    ({"query": "x", "k": 9_999, "offset": 2}, "invalid-argument", "k", "this server gives the best 10,000"),
]


@pytest.mark.parametrize(("body", "code", "field", "says"), BAD_BODIES)
def test_bad_requests_name_the_field_and_what_to_do(
    client: TestClient, body: dict[str, Any], code: str, field: str, says: str
) -> None:
    response = client.post("/v1/search", json=body)
    problem = response.json()

    assert response.status_code == problem["status"] == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["code"] == code
    assert problem["type"] == f"urn:lsr:problem:{code}"
    assert says in problem["detail"]
    assert field in [each["field"] for each in problem["errors"]] or not field


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_weights_that_are_no_numbers(client: TestClient, number: str) -> None:
    body = f'{{"vector": {{"learned": {{"terms": {{"read": {number}}}}}}}}}'
    response = client.post("/v1/search", content=body, headers={"content-type": "application/json"})

    assert response.status_code == 422
    assert "finite" in response.json()["detail"]


NO_JSON = {
    "cut short": b'{"query": ',
    "not UTF-8": b'{"query": "caf\xe9"}',
    "nested too deeply": b'{"query": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("name", NO_JSON)
def test_a_body_that_is_no_json(client: TestClient, name: str) -> None:
    headers = {"content-type": "application/json"}
    response = client.post("/v1/search", content=NO_JSON[name], headers=headers)

    assert response.status_code == 400
    assert response.json()["code"] == "invalid-json"
    assert "the body is not JSON: " in response.json()["detail"]


def test_where_a_body_stops_being_json(client: TestClient) -> None:
    headers = {"content-type": "application/json"}
    response = client.post("/v1/search", content='{"query": "x",}', headers=headers)

    assert response.json()["detail"].endswith(" at character 15")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (r'{"query": "caf\ud800"}', "query"),
        (r'{"query": "x", "filter": "kind = \"\ud800\""}', "filter"),
        (r'{"query": "x", "fields": {"\ud800": 1}}', "fields.\ud800"),
    ],
)
def test_half_a_character_is_refused_and_may_be_quoted(client: TestClient, body: str, field: str) -> None:
    response = client.post("/v1/search", content=body, headers={"content-type": "application/json"})

    assert response.status_code == 422
    assert [each["field"] for each in response.json()["errors"]] == [field]


def test_no_body(client: TestClient) -> None:
    response = client.post("/v1/search")

    assert response.status_code == 422
    assert "no body" in response.json()["detail"]


def test_a_body_that_is_not_json(client: TestClient) -> None:
    response = client.post("/v1/search", content="read a file", headers={"content-type": "text/plain"})

    assert response.status_code == 422
    assert "must be a JSON object" in response.json()["detail"]


@pytest.mark.parametrize(
    ("query", "code", "says"),
    [
        ("q=x&k=0", "invalid-argument", "greater than or equal to 1"),
        ("q=x&explian=1", "unknown-field", "did you mean 'explain'"),
        ("q=x&page=2", "unknown-field", "no field 'page'; known: q, k,"),
        ("q=x&fields=learned%3Dmuch", "invalid-argument", "NAME=WEIGHT"),
        ("q=x&documents=title,body", "invalid-argument", "no part is called 'body'"),
        ("k=3", "invalid-argument", "q: Field required"),
    ],
)
def test_bad_links(client: TestClient, query: str, code: str, says: str) -> None:
    response = client.get(f"/v1/search?{query}")

    assert response.status_code == 422
    assert response.json()["code"] == code
    assert says in response.json()["detail"]


def test_a_filter_in_a_body_and_in_a_link(client: TestClient) -> None:
    posted = client.post("/v1/search", json={"query": "read the file", "filter": 'kind = "howto"'})
    got = client.get("/v1/search", params={"q": "read the file", "filter": 'kind = "howto"'})

    assert [hit["id"] for hit in posted.json()["hits"]] == ["read"]
    assert got.json()["hits"] == posted.json()["hits"]


def test_a_link_with_weights(client: TestClient) -> None:
    answer = client.get("/v1/search", params={"q": "read", "fields": "learned=2"}).json()

    assert answer["index"]["fields"] == [{"name": "learned", "encoder": "by-hand", "weight": 2.0}]
    assert answer["hits"][0]["score"] == 2.5


def test_too_large_a_body_is_refused(small_pipeline: Pipeline, make_client: Any) -> None:
    client = make_client(small_pipeline, max_body_bytes=1000)

    declared = client.post("/v1/search", json={"query": "x" * 2000})
    chunked = client.post(
        "/v1/search",
        content=iter([b'{"query": "', b"x" * 2000, b'"}']),
        headers={"content-type": "application/json"},
    )

    for response in (declared, chunked):
        assert response.status_code == 413
        assert response.json()["code"] == "request-too-large"


def test_an_unknown_route_and_a_wrong_method(client: TestClient) -> None:
    missing, wrong = client.get("/v2/search"), client.delete("/v1/search")

    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method-not-allowed")
    assert wrong.headers["allow"] == "GET, POST"
    assert "use GET, POST" in wrong.json()["detail"]


def test_documents_by_id_with_any_characters(client: TestClient) -> None:
    response = client.get(f"/v1/documents/{quote('zip/a b#1%', safe='')}", params={"vectors": "true"})

    document = response.json()
    assert response.status_code == 200
    assert document["id"] == "zip/a b#1%"
    assert document["vectors"]["learned"] == {"compress": 1.0, "byte": 1.0, "zip": 1.0}
    assert document["vectors"]["bm25"]


def test_a_document_that_is_not_there(client: TestClient) -> None:
    response = client.get("/v1/documents/nothing")

    assert (response.status_code, response.json()["code"]) == (404, "document-not-found")


def test_a_misspelt_parameter_of_a_document_is_refused(client: TestClient) -> None:
    response = client.get("/v1/documents/zip?vector=true")

    assert (response.status_code, response.json()["code"]) == (422, "unknown-field")
    assert "did you mean 'vectors'?" in response.json()["detail"]
