"""Generated texts are counted that end, and that repeat themselves."""

import pytest

from worker.evaluation.generation_metrics import GeneratedText, generation_estimates


def test_a_text_ends_before_its_first_ending_token() -> None:
    assert GeneratedText.of([5, 6, 2, 7, 3], {2, 3}) == GeneratedText((5, 6), has_ended=True)
    assert GeneratedText.of([5, 6], {2, 3}) == GeneratedText((5, 6), has_ended=False)
    assert GeneratedText.of([2], {2}).tokens == ()


@pytest.mark.parametrize(
    ("tokens", "share", "is_loop"),
    [
        ([1, 2, 3, 4, 5, 6], 1.0, False),
        ([1, 2, 1, 2, 1, 2, 1], 0.5, False),
        ([1, 2, 1, 2, 1, 2, 1, 2], 0.4, True),
        ([9] * 20, 1 / 17, True),
        ([9] * 3, 1.0, False),
    ],
)
def test_a_text_loops_if_fewer_than_half_of_its_runs_of_four_are_distinct(
    tokens: list[int], share: float, is_loop: bool
) -> None:
    text = GeneratedText(tuple(tokens), has_ended=False)
    assert text.distinct_runs == pytest.approx(share)
    assert text.is_loop is is_loop


def test_the_texts_of_a_prompt_count_as_one_sample() -> None:
    loop, end = GeneratedText((9,) * 20, has_ended=False), GeneratedText((1, 2), has_ended=True)
    found = generation_estimates([[loop, loop, end, end], [end, end, end, end]])
    assert (found["loops"].value, found["loops"].stderr) == pytest.approx((0.25, 0.25))
    assert (found["ends"].value, found["ends"].stderr) == pytest.approx((0.75, 0.25))
    assert found["distinct_4"].value == pytest.approx((1 / 17 + 3) / 4)


def test_the_texts_of_a_single_prompt_count_each() -> None:
    loop, end = GeneratedText((9,) * 20, has_ended=False), GeneratedText((1, 2), has_ended=True)
    found = generation_estimates([[loop, end]])["loops"]
    assert (found.value, found.stderr) == pytest.approx((0.5, 0.5))
