from random import Random

from hypothesis import given
from hypothesis import strategies as some

from db.jobs.pareto import Tradeoff, pareto_front, tradeoff

TRADES = some.lists(
    some.one_of(
        some.none(),
        some.tuples(some.integers(0, 20).map(lambda n: n / 20), some.integers(1, 9).map(float)),
    ),
    max_size=30,
)


def is_beaten(trade: Tradeoff, others: list[Tradeoff | None]) -> bool:
    """Return whether another one is as good in both values and better in one."""
    for other in others:
        if other is None or other == trade:
            continue
        if other[0] >= trade[0] and other[1] <= trade[1]:
            return True
    return False


@given(TRADES)
def test_the_front_holds_exactly_the_tradeoffs_that_none_dominates(
    tradeoffs: list[Tradeoff | None],
) -> None:
    front = pareto_front(tradeoffs)
    for place, trade in enumerate(tradeoffs):
        assert (place in front) == (trade is not None and not is_beaten(trade, tradeoffs))


@given(TRADES)
def test_along_the_front_more_sparsity_costs_perplexity(tradeoffs: list[Tradeoff | None]) -> None:
    kept = sorted({trade for place in pareto_front(tradeoffs) if (trade := tradeoffs[place])})
    assert [trade[1] for trade in kept] == sorted({trade[1] for trade in kept})


@given(TRADES, some.randoms())
def test_the_order_does_not_matter(tradeoffs: list[Tradeoff | None], random: Random) -> None:
    shuffled = tradeoffs.copy()
    random.shuffle(shuffled)
    kept = [tradeoffs[place] for place in pareto_front(tradeoffs)]
    assert sorted(map(str, kept)) == sorted(str(shuffled[p]) for p in pareto_front(shuffled))


def test_the_best_tradeoff_is_in_the_front_and_an_empty_list_has_none() -> None:
    assert pareto_front([]) == set()
    assert pareto_front([None]) == set()
    assert pareto_front([(0.5, 10.0), None, (0.5, 10.0)]) == {0, 2}


def test_sparsities_that_differ_by_rounding_are_equal() -> None:
    assert pareto_front([(0.5, 30.0), (0.50003, 40.0)]) == {0}
    assert pareto_front([(0.5, 30.0), (0.51, 40.0)]) == {0, 1}


def test_a_little_more_reduction_at_a_far_higher_perplexity_is_not_on_the_front() -> None:
    assert pareto_front([(0.7018, 244.0), (0.7, 47.0)]) == {1}
    assert pareto_front([(0.5, 20.0), (0.504, 21.0), (0.508, 22.0)]) == {0, 2}


def test_jobs_trade_their_reduction_for_perplexity() -> None:
    zeros = {"sparsity": 0.5, "pruned_perplexity": 30.0, "parameters": 90, "parameters_removed": 0}
    assert tradeoff(zeros) == (0.5, 30.0)
    assert tradeoff({**zeros, "sparsity": 0.0, "parameters_removed": 10}) == (0.1, 30.0)
    assert tradeoff({**zeros, "quantization": {"bits_per_weight": 4}}) == (0.875, 30.0)
    assert tradeoff({"sparsity": 0.5}) is None
    assert tradeoff({"pruned_perplexity": 30.0}) is None
    assert tradeoff({}) is None
