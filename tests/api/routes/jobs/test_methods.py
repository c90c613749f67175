from fastapi.testclient import TestClient


def test_the_methods_are_sent_once_to_a_client_that_keeps_their_etag(client: TestClient) -> None:
    first = client.get("/v1/methods")
    again = client.get("/v1/methods", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert client.get("/v1/methods", headers={"if-none-match": '"other"'}).json() == first.json()
