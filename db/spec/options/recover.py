"""The field ``recover`` of a specification: how the pruned model is trained after the sweep."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt

from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, Place, check_fits, name_or_object
from db.spec.descriptions.result_part import ResultPart
from db.spec.pruning.methods import REMOVING, MethodName

RecoveryKind = Literal["masked", "mask_lora", "spp", "ast", "router"]
DEFAULT_TOKENS = 262_144
MAX_TOKENS = 100_000_000
"""The limit exists because the token ids of all training windows are held in memory."""
KL, TEMPERATURE, SKIP = 1.0, 1.0, 4
"""The defaults with which a model learns the dense one's predictions, and not the text's domain."""


class RecoverSpec(BaseModel):
    """How the pruned model is trained to predict as the dense one does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: RecoveryKind = Field(
        description="What is trained: `masked` all kept weights; `mask_lora` a low-rank change of "
        "them; `spp` a scaling of them by rows and columns; `ast` all weights, with a mask that "
        "is chosen again as they change; `router` the routers of a mixture that has lost experts, "
        "and nothing else."
    )
    tokens: StrictInt = Field(
        default=DEFAULT_TOKENS,
        ge=1,
        le=MAX_TOKENS,
        description="Training tokens; a shorter text is used several times.",
    )
    lr: StrictFloat | None = Field(
        default=None,
        gt=0,
        le=1,
        description="The highest learning rate; by default that of the kind and the model's size.",
    )
    kl: StrictFloat = Field(
        default=KL,
        ge=0,
        le=1,
        description="Weight of the divergence from the dense model's predictions in the loss; the "
        "rest is the cross-entropy of the text. Below 1, such as 0.67 with temperature 2, the "
        "model also learns the domain of the text.",
    )
    temperature: StrictFloat = Field(
        default=TEMPERATURE,
        ge=0.1,
        le=100,
        description="What both models' logits are divided by before they are compared.",
    )
    skip: StrictInt = Field(
        default=SKIP,
        ge=0,
        le=64,
        description="How many tokens at the beginning of each window are left out of the loss, "
        "because little comes before them.",
    )


Recover = Annotated[RecoverSpec | None, name_or_object("recover", RecoverSpec)]


def _check(spec: "RecoverFields") -> None:
    """Check that there is something to recover, and that it may change as the kind does."""
    if (recover := spec.recover) is None:
        return
    keeps, experts = spec.method is MethodName.none, spec.method is MethodName.experts
    check_fits(
        "recover",
        recover.kind,
        (
            spec.sparsity == 0 and not keeps and spec.method not in REMOVING,
            "no weight would be pruned, so that there is nothing to recover",
            "Set sparsity above 0, or leave recover out.",
        ),
        (
            recover.kind == "router" and not keeps and not experts,
            f"router trains the routers alone, and method {spec.method} removes no experts",
            "Set its kind to masked, or method to experts.",
        ),
        (
            experts and recover.kind != "router",
            f"{recover.kind} trains all matrices, and method experts removes experts from models "
            "whose experts are too many to train",
            "Set its kind to router, or leave recover out.",
        ),
        (
            keeps and recover.kind == "ast",
            "ast changes the zeros, and method none keeps those that the model has",
            "Set its kind to masked, mask_lora or spp.",
        ),
        (
            spec.method in REMOVING and recover.kind == "ast",
            f"ast changes the zeros, and those of method {spec.method} stand for what it removes",
            "Set its kind to masked, mask_lora or spp.",
        ),
        (
            keeps and recover.kl == 1,
            "with method none the model is its own teacher, from which it learns nothing",
            "Set its kl below 1, such as 0.67.",
        ),
    )


class RecoverFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        varied=("recover",),
        metrics={
            "recover": (
                *("perplexity_before_recovery", "recovery.seconds", "recovery.steps"),
                *("recovery.best_step", "recovery.tokens", "recovery.held_out_loss_before"),
                "recovery.held_out_loss_after",
            )
        },
        metrics_of_values={"recovery.mask_moved": ("recover", "ast")},
        planned=("recover",),  # it needs more text, which the planner counts
        remedies={
            "recover": 'Write a kind such as masked, or {{"kind": "masked", "tokens": 1000000}}.'
        },
        usual=("recover",),
        result=ResultPart(
            "recovery",
            facts={
                "Held-out loss": "{held_out_loss_before:figure} before, "
                "{held_out_loss_after:figure} after",
                "Perplexity before": "{/perplexity_before_recovery:figure}",
                "Steps": "{steps:count}, best {best_step:count}",
                "Places of the mask that moved": "{mask_moved:percent}",
                "Tokens": "{tokens:count}",
                "Time": "{seconds:seconds}",
            },
        ),
        place=Place.recovery,
        labels={
            "recover": "Recovery",
            "recover.tokens": "Recovery tokens",
            "recover.lr": "Recovery learning rate",
            "recover.kl": "Recovery divergence weight",
            "recover.temperature": "Recovery temperature",
            "recover.skip": "Recovery tokens left out",
        },
        docs={"recover": "`ast` keeps the number of its zeros alone: [Recovery](#recovery)."},
    )

    recover: Recover = Field(
        default=None,
        description="Trains the pruned model to predict as the dense one does: `masked`, "
        "`mask_lora`, `spp`, `ast` or, after method `experts`, `router`; or an object that sets "
        "more than the kind.",
    )
