"""The windows of several texts, each with its share."""

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from db.core.errors import SpecRefusedError
from db.spec.inputs.references import LocalPath
from tests.worker.sources.builders import byte_tokenizer
from worker.sources.calibration import CalibrationPart
from worker.sources.mixes import MixedPart, apportioned, merged, shares_text
from worker.sources.windows import Windows

LENGTH = 8
LETTERS = ("abcdefgh", "mnopqrst", "ABCDEFGH")
"""The letters of each text, so that a window says from which one it is."""
SHARES = (Fraction("0.5"), Fraction("0.3"), Fraction("0.2"))


def mix_of(folder: Path, *tokens: int, shares: tuple[Fraction, ...] = SHARES) -> MixedPart:
    """Return a mix of texts with these numbers of tokens."""
    parts = []
    for place, (letters, count) in enumerate(zip(LETTERS, tokens, strict=False)):
        path = folder / f"{place}.txt"
        path.write_text("".join(Random(place).choices(letters, k=count)))
        field = f"mix.{place - 1}.dataset" if place else "dataset"
        reference = LocalPath(path, f"local:{place}.txt")
        parts.append(CalibrationPart(reference, byte_tokenizer(), LENGTH, None, False, field))
    return MixedPart(parts[0], tuple(parts[1:]), shares)


def sources(windows: Windows) -> list[int]:
    """Return the number of the text of each window."""
    tokenizer: Any = byte_tokenizer()
    texts = [tokenizer.decode(ids) for ids in windows.ids]
    return [next(n for n, letters in enumerate(LETTERS) if text[0] in letters) for text in texts]


@pytest.mark.parametrize("number", [10, 12, 128])
def test_each_text_has_its_share_of_the_calibration_and_of_every_part_of_it(
    tmp_path: Path, number: int
) -> None:
    by_source = mix_of(tmp_path, 400, 400, 400).by_source(number, seed=3)
    windows = merged(by_source)
    wanted = apportioned(number, SHARES)
    assert Counter(sources(windows)) == dict(enumerate(wanted))
    half = Counter(sources(windows)[: number // 2])
    assert all(abs(half[text] - count / 2) <= 1 for text, count in enumerate(wanted))
    assert [len(one["token_ids_sha256"]) for one in windows.provenance["sources"]] == [64] * 3


def test_shares_are_rounded_to_whole_windows_whose_sum_is_the_number() -> None:
    assert apportioned(10, SHARES) == [5, 3, 2]
    assert apportioned(4, SHARES) == [2, 1, 1]
    thirds = (Fraction(1, 3),) * 3
    assert [apportioned(number, thirds) for number in (5, 1, 0)] == [[2, 2, 1], [1, 0, 0], [0] * 3]


def test_by_default_no_text_is_used_more_often_than_it_is_long(tmp_path: Path) -> None:
    # 25 windows of the second text are 30 % of 83.
    by_source = mix_of(tmp_path, 8000, 25 * LENGTH, 8000).by_source(None, seed=0)
    assert [len(windows.ids) for windows in by_source] == [41, 25, 17]
    assert sum(len(one.ids) for one in mix_of(tmp_path, *[8000] * 3).by_source(None, 0)) == 128


def test_the_windows_depend_on_the_seed_alone(tmp_path: Path) -> None:
    mix = mix_of(tmp_path, 400, 400, 400)
    one, again, other = (merged(mix.by_source(20, seed)) for seed in (1, 1, 2))
    assert torch.equal(one.ids, again.ids)
    assert one.provenance == again.provenance
    assert not torch.equal(one.ids, other.ids)


def test_training_has_the_exact_shares_and_repeats_a_short_text_four_times(tmp_path: Path) -> None:
    mix = mix_of(tmp_path, 8000, 20 * LENGTH, 8000)
    training, held_out = mix.training_windows(200, [4, 4, 4], seed=0)
    assert Counter(sources(training)) == {0: 100, 1: 60, 2: 40}
    assert Counter(sources(held_out)) == {0: 8, 1: 2, 2: 3}
    often = Counter(map(str, training.ids[torch.tensor(sources(training)) == 1].tolist()))
    # Two of the 20 windows are held out, as it is short; that leaves 18 windows for 60 places.
    assert Counter(often.values()) == {4: 6, 3: 12}


def test_a_text_too_short_for_its_share_is_refused(tmp_path: Path) -> None:
    mix = mix_of(tmp_path, 8000, 20 * LENGTH, 8000)
    assert len(mix.training_windows(240, [4, 4, 4], seed=0)[0].ids) == 240
    with pytest.raises(SpecRefusedError, match="may come 4 times") as refused:
        mix.training_windows(243, [4, 4, 4], seed=0)
    assert (refused.value.field, refused.value.value) == ("mix.0.dataset", "local:1.txt")


def test_training_and_held_out_windows_have_nothing_in_common(tmp_path: Path) -> None:
    training, held_out = mix_of(tmp_path, *[800] * 3).training_windows(60, [4, 4, 4], seed=5)
    seen = {str(ids) for ids in training.ids.tolist()}
    assert seen.isdisjoint(map(str, held_out.ids.tolist()))


def test_each_process_has_a_held_out_window(tmp_path: Path) -> None:
    mix = mix_of(tmp_path, *[800] * 3)
    assert len(mix.training_windows(8, [1] * 3, 0)[1].ids) == 3
    assert len(mix.training_windows(8, [1] * 3, 0, ranks=8)[1].ids) == 8
    assert len(mix.training_windows(8, [1] * 3, 0, ranks=2)[1].ids) == 4
    short = mix_of(tmp_path, 9 * LENGTH, 800, 800)
    assert len(short.training_windows(8, [1] * 3, 0, ranks=8)[1].ids) == 8
    with pytest.raises(SpecRefusedError, match="needs text for 10 windows") as refused:
        short.training_windows(8, [1] * 3, 0, ranks=11)
    assert refused.value.field == "dataset"


@pytest.mark.parametrize("samples", [1, 2])
def test_a_share_of_no_window_is_refused(tmp_path: Path, samples: int) -> None:
    with pytest.raises(SpecRefusedError, match=f"none of {samples} windows"):
        mix_of(tmp_path, *[400] * 3).by_source(samples, 0)


def test_rows_that_are_fewer_than_their_share_are_refused_by_their_field(tmp_path: Path) -> None:
    mix = mix_of(tmp_path, 400)
    (tmp_path / "rows.jsonl").write_text(f'{{"input_ids": {[1] * LENGTH}}}\n' * 10)
    reference = LocalPath(tmp_path / "rows.jsonl", "local:rows.jsonl")
    part = CalibrationPart(reference, None, LENGTH, None, False, "mix.0.dataset")
    mix = MixedPart(mix.first, (part,), (Fraction("0.7"), Fraction("0.3")))
    with pytest.raises(SpecRefusedError, match="is 11 windows, and it has 10") as refused:
        mix.by_source(36, 0)
    assert (refused.value.field, refused.value.value) == ("mix.0.dataset", "local:rows.jsonl")
    assert refused.value.remedy == "Give it a smaller share, or set samples to at most 33."
    assert [len(windows.ids) for windows in mix.by_source(33, 0)] == [23, 10]


def test_an_empty_text_is_refused_by_its_field(tmp_path: Path) -> None:
    mix = mix_of(tmp_path, 400, 4, 400)
    with pytest.raises(SpecRefusedError, match="has 4 tokens, a window has 8") as refused:
        mix.by_source(10, 0)
    assert refused.value.field == "mix.0.dataset"


def test_plain_text_and_conversations_are_not_mixed(tmp_path: Path) -> None:
    mix = mix_of(tmp_path, 400, 400, shares=(Fraction(1, 2),) * 2)
    chat = tmp_path / "chat.jsonl"
    chat.write_text(json.dumps({"messages": [{"role": "user", "content": "x" * 99}]}) + "\n")
    tokenizer: Any = byte_tokenizer()
    tokenizer.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    reference = LocalPath(chat, "local:chat.jsonl")
    part = CalibrationPart(reference, tokenizer, LENGTH, None, False, "mix.0.dataset")
    with pytest.raises(SpecRefusedError, match="its rows are conversations") as refused:
        MixedPart(mix.first, (part,), mix.shares).by_source(10, 0)
    assert refused.value.field == "mix.0.dataset"


def test_a_mix_shares_a_text_with_each_of_its_sources(tmp_path: Path) -> None:
    by_source = mix_of(tmp_path, *[400] * 3).by_source(10, 0)
    pair = merged(by_source[:2])
    assert shares_text(pair, by_source[1])
    assert shares_text(merged(by_source), pair)
    assert not shares_text(pair, by_source[2])


def test_a_single_text_is_drawn_as_without_a_mix(tmp_path: Path) -> None:
    mix = mix_of(tmp_path, 400, shares=(Fraction(1),))
    (part,) = mix.parts
    assert isinstance(part, CalibrationPart)
    assert merged(mix.by_source(None, 7)).provenance == part.windows(None, 7).provenance
    assert mix.training_windows(90, [5], 7)[0].provenance == (
        part.training_windows(90, 5, 7)[0].provenance
    )
