"""Chat messages become what the model's own chat template makes of them."""

from pathlib import Path
from typing import Any

import pytest

from db.spec.inputs.references import HubDataset, LocalPath
from tests.hub import Hub
from tests.worker.sources.builders import chat_tokenizer, jsonl, parquet
from tests.worker.sources.calls import calibrate, decoded, refusal
from worker.sources.datasets import evaluation_windows

CHATS = [
    [{"role": "user", "content": f"q{number}"}, {"role": "assistant", "content": f"a{number}"}]
    for number in range(10)
]
WRITTEN = [f"[user]q{number}\n[assistant]a{number}\n<s>" for number in range(10)]
BOS = 256


@pytest.fixture(scope="module")
def chatty() -> Any:
    return chat_tokenizer()


def chat_file(tmp_path: Path, chats: list[Any], key: str = "messages") -> LocalPath:
    (tmp_path / "chats.jsonl").write_bytes(jsonl(chats, key))
    return LocalPath(tmp_path / "chats.jsonl", "local:chats.jsonl")


def whole(reference: Any, tokenizer: Any, length: int) -> Any:
    return evaluation_windows(reference, tokenizer, seq_len=length)


@pytest.fixture(scope="module")
def read_here(tmp_path_factory: pytest.TempPathFactory, chatty: Any) -> Any:
    """The windows of the conversations in a file: to render them starts a process."""
    return whole(chat_file(tmp_path_factory.mktemp("chats"), CHATS), chatty, 20)


def test_conversations_are_rendered_by_the_template_and_joined(read_here: Any, chatty: Any) -> None:
    windows = read_here
    assert "".join(WRITTEN).startswith("".join(decoded(chatty, windows)))
    assert len(windows.ids) == 25 * 10 // 20
    assert (windows.ids == BOS).sum() > 0, "the template's special token is one token"
    assert windows.provenance["joiner"] == ""


def test_the_last_tenth_of_the_conversations_is_held_out(tmp_path: Path, chatty: Any) -> None:
    reference = chat_file(tmp_path, CHATS)
    seen = calibrate(reference, chatty, samples=200, seq_len=4)
    held_out = evaluation_windows(reference, chatty, seq_len=20, held_out_by=seen)
    assert decoded(chatty, held_out) == [WRITTEN[9][:20]]
    assert not any("9" in piece for piece in decoded(chatty, seen))


@pytest.mark.parametrize("name", ["data/train-0.jsonl", "data/train-0.parquet"])
@pytest.mark.parametrize(("key", "chosen"), [("messages", None), ("talk", "talk")])
def test_conversations_on_the_hub_are_read_in_the_same_way(
    datasets_hub: Hub, read_here: Any, chatty: Any, name: str, key: str, chosen: str | None
) -> None:
    data = jsonl(CHATS, key) if name.endswith("jsonl") else parquet(CHATS, key)
    datasets_hub.add_dataset("org/chats", {name: data})
    found = whole(HubDataset("org/chats", text_field=chosen), chatty, 20)
    assert found.provenance["token_ids_sha256"] == read_here.provenance["token_ids_sha256"]
    assert found.provenance.get("text_field") == chosen


def test_a_column_on_the_hub_is_chosen_and_one_that_is_not_there_refused(
    datasets_hub: Hub, chatty: Any
) -> None:
    rows = b"".join(b'{"id": "%d", "body": "abcd"}\n' % number for number in range(9))
    datasets_hub.add_dataset("org/set", {"train.jsonl": rows})
    assert decoded(chatty, whole(HubDataset("org/set", text_field="body"), chatty, 4))[0] == "abcd"
    for chosen, field in ((None, "eval_dataset"), ("nope", "eval_text_field")):
        refused = refusal(whole, HubDataset("org/set", text_field=chosen), chatty, 4)
        assert refused.field == field
        assert "its fields are id, body" in refused.reason
        assert "Set eval_text_field" in refused.remedy


def test_without_a_template_conversations_are_refused(tmp_path: Path, tokenizer: Any) -> None:
    refused = refusal(calibrate, chat_file(tmp_path, CHATS), tokenizer)
    assert (refused.field, refused.code) == ("dataset", "no_chat_template")
    assert refusal(calibrate, chat_file(tmp_path, CHATS), None).code == "no_chat_template"


def test_messages_that_the_template_rejects_are_refused_with_their_line(
    tmp_path: Path, chatty: Any
) -> None:
    tools = [*CHATS[0], {"role": "tool", "content": "x"}]
    refused = refusal(calibrate, chat_file(tmp_path, [CHATS[0], tools]), chatty)
    assert (refused.field, refused.code) == ("dataset", "chat_template")
    assert "line 2" in refused.reason
    assert "no tools here" in refused.reason


@pytest.mark.parametrize("template", ["{{ 1 / 0 }}", "{{ messages.append }}{{ ().__class__() }}"])
def test_a_template_that_fails_in_any_way_is_refused(tmp_path: Path, template: str) -> None:
    tokenizer: Any = chat_tokenizer()
    tokenizer.chat_template = template
    refused = refusal(lambda: whole(chat_file(tmp_path, CHATS), tokenizer, 20))
    assert refused.code == "chat_template"
