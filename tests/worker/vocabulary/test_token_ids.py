"""Token ids in configs."""

from typing import Any

from worker.vocabulary.token_ids import named_ids, renumbered

CONFIG: dict[str, Any] = {
    "bos_token_id": 1,
    "eos_token_id": [2, 7],
    "pad_token_id": -1,
    "image_token_index": 9,
    "suppress_tokens": [5],
    "bad_words_ids": [[5, 7]],
    "decoder_start_token_id": None,
    "hidden_size": 7,
    "tie_word_embeddings": True,
    "text_config": {"eos_token_id": 7, "num_hidden_layers": 2},
}


def test_ids_are_found_wherever_they_are() -> None:
    assert sorted(named_ids(CONFIG)) == [-1, 1, 2, 5, 5, 7, 7, 7, 9]


def test_ids_get_their_new_numbers_and_nothing_else_changes() -> None:
    assert renumbered(CONFIG, {1: 0, 2: 1, 5: 2, 7: 3, 9: 4}) == {
        "bos_token_id": 0,
        "eos_token_id": [1, 3],
        "pad_token_id": -1,
        "image_token_index": 4,
        "suppress_tokens": [2],
        "bad_words_ids": [[2, 3]],
        "decoder_start_token_id": None,
        "hidden_size": 7,
        "tie_word_embeddings": True,
        "text_config": {"eos_token_id": 3, "num_hidden_layers": 2},
    }
