import re

from fastapi.testclient import TestClient


def test_the_page_and_all_it_loads_come_from_this_server(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {"/docs/start.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"} <= set(loaded)
    assert "/" in loaded  # a link back to the dashboard
    for path in loaded:
        assert path == "/" or path.startswith(("/docs/", "data:"))
        if path.startswith("/docs/"):
            answer = client.get(path)
            assert answer.status_code == 200
            kind = "text/css" if path.endswith("css") else "text/javascript"
            assert answer.headers["content-type"].startswith(kind)
    assert "swagger" in client.get("/docs/swagger-ui-bundle.js").text.lower()


def test_the_page_runs_no_script_but_ours(client: TestClient) -> None:
    page = client.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert re.findall(r"<script(?![^>]*src=)", page.text) == []
    assert "/openapi.json" in client.get("/docs/start.js").text
