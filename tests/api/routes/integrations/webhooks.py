"""Webhooks and their test messages, made through the API."""

from typing import Any

from fastapi.testclient import TestClient

URL = "https://hooks.example/zpruner"


def create(client: TestClient, **fields: Any) -> dict[str, Any]:
    response = client.post("/v1/webhooks", json={"url": URL} | fields)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/v1/webhooks/{made['id']}"
    assert response.headers["cache-control"] == "no-store"
    return made


def put_test(client: TestClient, webhook: dict[str, Any]) -> dict[str, Any]:
    response = client.post(f"/v1/webhooks/{webhook['id']}/test")
    assert response.status_code == 202, response.text
    made: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/v1/webhooks/{webhook['id']}/deliveries/{made['id']}"
    return made
