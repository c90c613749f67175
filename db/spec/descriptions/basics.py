"""The fields of a job that every option can read: its model, its text, and the method."""

from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat

from db.spec.datasets.protocols import built_in
from db.spec.descriptions.option import Option, Place, check_fits
from db.spec.inputs.input_name import LOCAL
from db.spec.inputs.references import SecretName
from db.spec.pruning.methods import PRUNING, ZEROING, MethodName
from db.spec.pruning.presets import PresetName, resolve_preset

SourceName = Annotated[str, Field(min_length=1, max_length=512)]
FieldName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]


def _check(spec: "Basics") -> None:
    is_local = spec.model_secret is not None and spec.model.startswith(LOCAL)
    reason, remedy = "a local model needs no token of the hub", "Leave model_secret out."
    check_fits("model_secret", spec.model_secret, (is_local, reason, remedy))
    check_text_field("text_field", spec.text_field, spec.dataset)


def check_text_field(name: str, value: str | None, dataset: str | None) -> None:
    """Check that a job with a field ``name`` names a dataset whose fields can be chosen from.

    Raises:
        SpecRefusedError: it names none, or one that is built in.
    """
    if value is None or (dataset is not None and built_in(dataset) is None):
        return
    reason = f"{dataset} is built in and has no fields to choose from"
    if dataset is None:
        reason = f"the job names no {name.replace('text_field', 'dataset')}"
    check_fits(name, value, (True, reason, f"Leave {name} out."))


class Basics(BaseModel):
    """The fields that the checks of all options can read; those of an option come with it."""

    OPTION: ClassVar = Option(
        check=_check,
        complete=resolve_preset,
        amounts=("sparsity",),
        varied=("preset", "method"),
        texts={"dataset": "text_field"},
        place=Place.texts,
        places={"sparsity": Place.what, "preset": Place.how, "method": Place.how},
        first={"model": 0, "dataset": 1, "sparsity": 2, "preset": 7},
        only_with={
            "sparsity": {"method": ZEROING},
            "preset": {"method": PRUNING},
            "text_field": {"dataset": ()},
        },
        usual=("sparsity", "dataset", "preset", "method"),
        labels={
            "dataset": "Calibration text",
            "text_field": "Text field",
            "model_secret": "Secret of the model",
        },
        docs={
            "model": "[Buckets](deployment.md#inputs-in-buckets); "
            "[results of jobs](#start-from-a-result).",
            "sparsity": "It is met exactly. 0 needs an `eval_dataset`: it measures the model.",
            "dataset": "The built-in names are `wikitext2`, `c4`, `ptb`, `pile`, `stdlib-docs` and "
            "`stdlib-code`; a hub id is `org/name` or `org/name:config`: [Datasets](datasets.md).",
            "text_field": "[Rows, fields and chats](datasets.md#rows-fields-and-chats).",
            "revision": "By default the main branch.",
            "model_secret": "[Secrets](access.md#secrets).",
            "preset": "The job shows all of them: [Presets](#presets).",
            "method": "How weights are scored: [methods](#which-weights-go).",
        },
    )

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: SourceName = Field(
        description="A Hugging Face id, `local:` and a folder below an allowed root, "
        "`s3://bucket/folder` in an allowed bucket, or `job:` and the id of a job that has "
        "succeeded: its result.",
        examples=["meta-llama/Llama-3.1-8B"],
    )
    sparsity: StrictFloat = Field(
        ge=0,
        lt=1,
        description="Share of each pruned matrix that becomes zero; a `pattern` implies it, and "
        "method `none` and those that take a `ratio` need none.",
        examples=[0.5],
    )
    dataset: SourceName = Field(
        description="Calibration text: a built-in name, a Hugging Face id, `local:` and a file, "
        "`uploaded:` and an id, or `s3://bucket/file`.",
        examples=["c4"],
    )
    text_field: FieldName | None = Field(
        default=None,
        description="Which field or column of `dataset` holds the text, or the chat messages; by "
        "default `input_ids`, `text` or `messages`.",
        examples=["content"],
    )
    revision: str | None = Field(
        default=None,
        max_length=128,
        pattern=r"^[A-Za-z0-9][\w./-]*$",
        description="Branch, tag or commit of the model; pinned to a commit when the job runs.",
    )
    model_secret: SecretName | None = Field(
        default=None,
        description="The name of a secret whose value is the hub's token for `model`, or the "
        "bucket's `ACCESS_KEY_ID:SECRET_ACCESS_KEY`; by default the service's own, if it has one.",
        examples=["hf-llama"],
    )
    preset: PresetName | None = Field(
        default=None,
        description="Sets several of the fields below: `fast`, `balanced` or `best`. Fields beside "
        "it override its own.",
    )
    method: MethodName = MethodName.zpruner

    @classmethod
    def of(cls, spec: "Basics") -> Self:
        """Return a specification as one that has the fields of another option.

        Raises:
            TypeError: it does not have them.
        """
        if not isinstance(spec, cls):
            raise TypeError(f"{type(spec).__name__} has no fields of {cls.__name__}")
        return spec
