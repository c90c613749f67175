"""How a model writes conversations, read from its chat template."""

from typing import Any

from db.core.errors import SpecRefusedError
from db.spec.descriptions.option import UNFIT
from db.spec.options.mix import GENERATED
from worker.sources.encoding import Encoder

REMEDY = "Name a dataset in place of the generated text, or set mix to an empty list."
_TEXTS = ("QUESTION1", "ANSWER1", "QUESTION2", "ANSWER2")
_ROLES = ("user", "assistant")


def chat_turns(tokenizer: Any, field: str, vocab_size: int) -> tuple[tuple[int, ...], ...]:
    """Return the tokens of a template before a question, after it, and after its answer.

    Args:
        tokenizer: a tokenizer with a chat template.
        field: the field of the specification that asks for generated text, for errors.
        vocab_size: the size of the model's vocabulary.

    Raises:
        SpecRefusedError: the template fails, does not write what it is given, or has a token that
            the model does not have.
    """
    encoder = Encoder(tokenizer, vocab_size, field, GENERATED)
    roles = _ROLES * 2
    messages = [{"role": role, "content": text} for role, text in zip(roles, _TEXTS, strict=True)]
    with encoder.chats() as render:
        rest = render(messages, "a conversation of two questions")
    turns = []
    for text in _TEXTS[:3]:
        before, found, rest = rest.partition(text)
        turns.append(tuple(encoder.ids(before).tolist()))
        if not found or not turns[-1]:
            reason = "the model's chat template does not mark where each turn begins"
            raise SpecRefusedError(field, GENERATED, UNFIT, reason, REMEDY)
    return tuple(turns)
