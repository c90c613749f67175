"""The specification of a job: its validated, immutable fields."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StrictBool,
    StrictFloat,
    StrictInt,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from db.spec.allocations import Allocation, AllocationName
from db.spec.evaluation.rank_answers import RankAnswers
from db.spec.expected_inputs import ExpectedInputs
from db.spec.formats.binarization import Binarize, implied_method
from db.spec.formats.quantization import Quantize, Rotate
from db.spec.generation import Prompts
from db.spec.outputs.targets import Outputs
from db.spec.presets import PresetName, resolve_preset
from db.spec.pruning.globs import Glob
from db.spec.pruning.gradual import MAX_STEPS
from db.spec.pruning.methods import MethodName, SelectionName, SolverName
from db.spec.pruning.patterns import Pattern, implied_sparsity
from db.spec.recovery import Recover
from db.spec.references import SecretName
from db.spec.refinement import Refine
from db.spec.variants import Variant
from db.spec.zero_shot import Tasks


class Scope(StrEnum):
    """Which weights compete with each other."""

    matrix = "matrix"
    row = "row"


class Propagation(StrEnum):
    """How a pruned block's output becomes the next block's input."""

    fused = "fused"
    reference = "reference"


class Dtype(StrEnum):
    """The data type of forward passes; ``auto`` is bfloat16 where the machine supports it."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


SourceName = Annotated[str, Field(min_length=1, max_length=512)]
FieldName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]


class PruneSpec(BaseModel):
    """One request to prune one model. Only ``model``, ``sparsity`` and ``dataset`` are required."""

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
    ratio: StrictFloat | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share of the blocks' parameters that the methods `neurons`, `heads`, `depth`, "
        "`adapt` and `pgp` remove.",
        examples=[0.25],
    )
    uniform: StrictBool = Field(
        default=True,
        description="Whether `adapt` and `pgp` remove the same number of units from every block, "
        "so that the model gets smaller; if not, removed units stay in place as zeros.",
    )
    search_steps: StrictInt | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="With `pgp`, in how many steps the search changes the probabilities of units; "
        "1,000 by default, and 15,000, as published, with `propagation: reference`.",
        examples=[2000],
    )
    search_start: SourceName | None = Field(
        default=None,
        description="With `pgp`, start from where the search of an earlier job on the same model "
        "ended: `job:` and the id of the job. Without a service, the folder of an earlier result.",
        examples=["job:job_019a2b3c4d5e7f8091a2b3c4d5e6f708"],
    )
    selection: SelectionName | None = Field(
        default=None,
        description="With `neurons`, which channels go: those that contribute least (`energy`, the "
        "default), or those that are least active on the last tokens of prompts (`ptl`).",
    )
    keep_dataset: SourceName | None = Field(
        default=None,
        description="With `neurons`, a second calibration text, named as `dataset`: channels that "
        "matter on it stay, too.",
    )
    keep_text_field: FieldName | None = Field(
        default=None,
        description="Which field or column of `keep_dataset` holds the text, or the chat messages.",
    )
    steps: StrictInt | None = Field(
        default=None,
        ge=1,
        le=MAX_STEPS,
        description="Prune in this many steps, each of which continues the one before; the steps "
        "of `refine` and the tokens of `recover` are divided among them. One by default.",
        examples=[10],
    )
    scope: Scope | None = Field(
        default=None,
        description="Which weights compete; by default as the method was published.",
    )
    pattern: Pattern | None = Field(
        default=None,
        description="N:M keeps N of each M neighbours in a row; unstructured by default.",
        examples=["2:4"],
    )
    solver: SolverName = Field(
        default=SolverName.none,
        description="Changes the kept weights to make up for the others; `dsnot` swaps weights "
        "instead, so that all keep their values.",
    )
    variant: Variant | None = Field(
        default=None,
        description="How method `exact` chooses the mask and how it repairs the kept weights, each "
        "singly (s) or jointly (m); by default `mm` with N:M and `sm` without.",
    )
    correction: StrictFloat | None = Field(
        default=None,
        ge=0,
        le=1,
        description=(
            "How far a solver makes up for the losses of earlier layers; by default 0.3, and 0 "
            "with reference propagation or where units are removed."
        ),
    )
    damping: StrictFloat | None = Field(
        default=None,
        gt=0,
        le=1,
        description=(
            "How strongly a solver holds the kept weights to the dense ones, as a share of the "
            "inputs' mean square; by default 0.01 for `sparsegpt`, 0.1 for others and where units "
            "are removed, and as published with reference propagation."
        ),
    )
    allocation: Allocation = Field(
        default=AllocationName.uniform,
        description="How `sparsity` is distributed: `uniform`; over the blocks by `owl` or `dlp`; "
        "within each block over its matrices by `matrix`; one of these three with a spread, as in "
        '`{"name": "owl", "spread": 0.15}`; or a list with the sparsity of each block in depth '
        "order, whose mean must be `sparsity`.",
        examples=["owl", {"name": "matrix", "spread": 0.1}, [0.45, 0.5, 0.55]],
    )
    skip: tuple[Glob, ...] = Field(
        default=(),
        max_length=64,
        fail_fast=True,  # a tuple's length is checked last
        description="Globs of layers to leave alone, such as `*.o_proj` or `model.layers.0.*`.",
    )
    propagation: Propagation = Propagation.fused
    refine: Refine = Field(
        default=None,
        description="Trains the kept weights of each block, once it is pruned, towards the dense "
        "block's outputs: `true`, or an object that sets more.",
        examples=[{"steps": 96}],
    )
    recover: Recover = Field(
        default=None,
        description="Trains the pruned model to predict as the dense one does: `masked`, "
        "`mask_lora`, `spp` or `ast`; or an object that sets more than the kind.",
    )
    quantize: Quantize = Field(
        default=None,
        description="Rounds the kept weights to 4 or 8 bits once a block is pruned: `w4a16` or "
        "`w8a16`, or an object that sets more than the scheme.",
    )
    rotate: Rotate = Field(
        default=None,
        description="`auto` rotates the model before `quantize` rounds it, where this makes the "
        "errors smaller. It changes none of the model's outputs.",
    )
    binarize: Binarize = Field(
        default=None,
        description="Keeps some of each eight neighbouring weights, as two values for each group "
        "of a row: `true`, or an object that sets more. It replaces `method` and `sparsity`.",
        examples=[{"kept": 4.4}],
    )
    samples: StrictInt | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Calibration windows; 128 by default, or every row of a dataset of fewer rows.",
    )
    seq_len: StrictInt | None = Field(
        default=None,
        ge=2,
        le=32_768,
        description="Tokens per window; by default what the model allows, at most 2048.",
    )
    seed: StrictInt = Field(
        default=0, ge=0, lt=2**63, description="Seed of the draw of the calibration windows."
    )
    dtype: Dtype = Dtype.auto
    eval_dataset: SourceName | None = Field(
        default=None,
        description="Text to measure perplexity on; by default what `dataset` holds out. "
        "`wikitext2@2048`, `c4@2048` and `ptb@2048` measure as the literature does, on windows of "
        "2,048 tokens whatever `seq_len` is.",
    )
    eval_text_field: FieldName | None = Field(
        default=None,
        description="Which field or column of `eval_dataset` holds the text, or the chat messages.",
    )
    eval_samples: StrictInt | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Evaluation windows; all of the text by default.",
    )
    tasks: Tasks | None = Field(
        default=None,
        description="Zero-shot tasks that the dense and the pruned model are measured on: names of "
        "the LM Evaluation Harness, the suites `wanda7` and `zpruner5`, or `uploaded:` or `local:` "
        "and a JSONL file of questions.",
        examples=[["wanda7"], ["boolq", "arc_easy"]],
    )
    task_limit: StrictInt | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Items of each task, from the first one; all by default.",
    )
    generate: StrictBool = Field(
        default=False,
        description="Whether the dense and the pruned model continue a few prompts, for people to "
        "read. Both must fit into memory as a whole, one after the other.",
    )
    prompts: Prompts | None = Field(
        default=None,
        description="The prompts that `generate` uses in place of its own.",
        examples=[["The capital of France is"]],
    )
    rank_answers: RankAnswers = Field(
        default=None,
        description="Whether a small ranker is trained on the hidden states of the dense and of "
        "the pruned model to find the right one of several answers: `true`, or an object that sets "
        "more. It changes no model. Both must fit into memory as a whole, one after the other.",
        examples=[{"questions": 200}],
    )
    benchmark: StrictBool = Field(
        default=False,
        description="Whether speed and memory of the dense and the pruned model are measured in "
        "turns. Each must fit into memory as a whole.",
    )
    expect: ExpectedInputs | None = Field(
        default=None,
        description="The SHA-256 of inputs, and versions of packages, under the names that they "
        "have in a job's provenance. The job fails before it prunes if one of them is different.",
        examples=[{"calibration": "2c26b46b68ffc68f", "version/torch": "2.13.0"}],
    )
    output: Outputs = Field(
        default=(),
        description="Where the result is sent once the job has succeeded: repositories of the hub, "
        "buckets (files), and MLflow servers (numbers).",
        examples=[[{"hub": "org/name", "secret": "hf-write"}]],
    )

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any) -> Any:
        """Set the fields of the preset, and the sparsity that the method or the pattern implies."""
        if not isinstance(data, dict):
            return data
        data = implied_method(resolve_preset(data))
        if data.get("sparsity") is None:
            share = implied_sparsity(data.get("method"), data.get("pattern"))
            return data if share is None else data | {"sparsity": share}
        return data

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Make ``sparsity`` optional in requests, as a pattern or the method may imply it."""
        schema = handler(core_schema)
        required = handler.resolve_ref_schema(schema).get("required", [])
        if handler.mode == "validation" and "sparsity" in required:
            required.remove("sparsity")
        return schema
