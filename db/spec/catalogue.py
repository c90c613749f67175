"""Descriptions of the methods, solvers and allocations, for users."""

from dataclasses import dataclass

from db.spec.measured_quality import DENSE, MODEL, perplexity_of
from db.spec.pruning.allocations import AllocationName
from db.spec.pruning.methods import OWN_MASK, MethodName, SolverName


@dataclass(frozen=True)
class MethodInfo:
    """A method, solver or allocation: what it does, its source, when to use it, what it costs.

    A job combines a method, a solver and an allocation. ``source`` is a link to a publication, or
    None.
    """

    name: MethodName | SolverName | AllocationName
    title: str
    summary: str
    source: str | None
    when_to_use: str
    cost: str

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of a job that can have ``name`` as their value."""
        if isinstance(self.name, SolverName):
            return ("solver",)
        if isinstance(self.name, AllocationName):
            return ("allocation",)
        return ("method", "solver") if self.name in OWN_MASK else ("method",)


METHODS: tuple[MethodInfo, ...] = (
    MethodInfo(
        name=MethodName.zpruner,
        title="Z-Pruner",
        summary=(
            "Scores each weight by the cubed Z-scores of its row-normalised and its "
            "column-normalised value, times the norm of the input feature it multiplies to the "
            "power 1.5, and zeros the smallest. The kept weights are not changed; nothing is "
            "retrained."
        ),
        source="https://arxiv.org/abs/2508.15828",
        when_to_use=(
            "The default, because this service was built for it, not because it scores best. On "
            f"{MODEL} at 50 % it reached perplexity {perplexity_of(MethodName.zpruner, '50 %')} "
            f"(dense {DENSE:.1f}), wanda {perplexity_of(MethodName.wanda, '50 %')} in the same "
            f"time, admm and alps {perplexity_of(MethodName.admm, '50 %')} and "
            f"{perplexity_of(MethodName.alps, '50 %')} in several times that. Use one of those "
            "unless you want the published method, or a sweep on your model shows otherwise."
        ),
        cost=(
            "One forward pass of the calibration windows through the model (two with reference "
            "propagation) and one selection per matrix; memory for one block and the activations."
        ),
    ),
    MethodInfo(
        name=MethodName.magnitude,
        title="Magnitude",
        summary="Zeros the weights with the smallest absolute values.",
        source="https://arxiv.org/abs/1506.02626",
        when_to_use="As a baseline: it needs no text, and every other method should do better.",
        cost="One selection per matrix.",
    ),
    MethodInfo(
        name=MethodName.wanda,
        title="Wanda",
        summary=(
            "Scores each weight by its absolute value times the norm of the input feature it "
            "multiplies, and zeros the smallest of each row."
        ),
        source="https://arxiv.org/abs/2306.11695",
        when_to_use=(
            "The first choice without a solver up to 50 %, and where the result must compare with "
            "the most published numbers. At higher sparsity no score alone is useful: at 60 % it "
            f"reached perplexity {perplexity_of(MethodName.wanda, '60 %')}, admm "
            f"{perplexity_of(MethodName.admm, '60 %')}."
        ),
        cost="As zpruner.",
    ),
    MethodInfo(
        name=MethodName.ria,
        title="RIA",
        summary=(
            "Scores each weight by its share of its row and of its column, times the square root "
            "of the input feature's norm."
        ),
        source="https://openreview.net/forum?id=Tr0lPx9woF",
        when_to_use="Where whole rows or columns are small and magnitudes alone would empty them.",
        cost="As zpruner.",
    ),
    MethodInfo(
        name=MethodName.gblm,
        title="GBLM-Pruner",
        summary=(
            "Adds to Wanda's score how strongly the loss of the dense model depends on each "
            "weight: the absolute weight times the norm, over the calibration windows, of its "
            "gradient."
        ),
        source="https://arxiv.org/abs/2311.04902",
        when_to_use=(
            "Where Wanda's speed is not needed and the text is like the text the model will read: "
            "the gradients are those of this text's own loss."
        ),
        cost=(
            "As wanda, after one forward and one backward pass of every window through the dense "
            "model, one block in memory at a time; scratch space for each block's inputs and for "
            "four bytes per weight."
        ),
    ),
    MethodInfo(
        name=MethodName.sparsegpt,
        title="SparseGPT",
        summary=(
            "Drops weights column by column and changes those to the right so that the layer's "
            "output changes as little as possible; chooses its own mask in blocks of 128 columns."
        ),
        source="https://arxiv.org/abs/2301.00774",
        when_to_use="Where a lower perplexity is worth some more seconds, also with N:M.",
        cost="A Gram matrix and one Cholesky factor per shared input, and a pass over the columns.",
    ),
    MethodInfo(
        name=MethodName.admm,
        title="ADMM",
        summary=(
            "Solves each layer's least squares under its mask by 20 steps of ADMM; the mask is "
            "chosen again in each of the first 15."
        ),
        source="https://arxiv.org/abs/2401.02938",
        when_to_use=(
            "Unstructured sparsity at the lowest perplexity measured, in half of ALPS's time; "
            "also as the solver after a score."
        ),
        cost="A Gram matrix and one inverse per shared input, and 20 products per layer.",
    ),
    MethodInfo(
        name=MethodName.alps,
        title="ALPS",
        summary=(
            "Searches mask and weights together with a rising penalty, then repairs the weights "
            "on the mask found by conjugate gradients."
        ),
        source="https://arxiv.org/abs/2406.07831",
        when_to_use="For the lowest perplexity, most of all with N:M, where time matters less.",
        cost="Four inverses and 28 products per layer, 12 where a score gives the mask.",
    ),
    MethodInfo(
        name=MethodName.exact,
        title="Exact",
        summary=(
            "Removes all dropped weights of a row at once: least squares on the kept ones. As a "
            "method it chooses the mask in blocks of columns, with N:M by the joint loss of each "
            "set of a group; variant takes SparseGPT's choice or its repair instead."
        ),
        source="https://arxiv.org/abs/2410.15567",
        when_to_use=(
            "As the solver after a score, for the least output error that its mask allows; alps "
            "comes close to it in a tenth of the time. As the method for comparisons with its "
            "paper: admm and alps choose better masks."
        ),
        cost=(
            "A factorization for each row of a matrix, of half its width at 50 %; with a mask of "
            "its own up to one and a half of them."
        ),
    ),
    MethodInfo(
        name=MethodName.neurons,
        title="Neurons",
        summary=(
            "Removes the channels of MLPs that contribute least: those with the smallest sum over "
            "tokens of the squared activation, times the squared norm of what the channel writes. "
            "The layer that reads the others is repaired by least squares. Every block loses the "
            "same number, so the result is an ordinary model with a smaller width. With selection "
            "ptl, those that are least active on the last tokens of ten prompts go instead."
        ),
        source=None,
        when_to_use=(
            "Where the result has to be smaller and faster in every program that runs the model, "
            "which zeros alone are not. It costs more quality than the same share of zeros, so "
            "train the result with refine and recover."
        ),
        cost=(
            "One forward pass of the calibration windows, and for each MLP a Gram matrix of its "
            "channels, a factorization, and disk space for the model before it is cut."
        ),
    ),
    MethodInfo(
        name=MethodName.heads,
        title="Heads",
        summary=(
            "Removes heads of keys and values, each with the heads of queries that share it: those "
            "that contribute least to the attention's outputs, by the score of neurons. The "
            "projection of the outputs is repaired. Every block loses the same number."
        ),
        source=None,
        when_to_use=(
            "Where the cache of keys and values has to be smaller, after a comparison with "
            "neurons. It needs a model whose config has the width of a head, as Llama's, Qwen's or "
            "Gemma's."
        ),
        cost="As neurons, with the Gram matrix of the attention's outputs.",
    ),
    MethodInfo(
        name=MethodName.depth,
        title="Depth",
        summary=(
            "Removes the blocks whose outputs are most like their inputs, by the mean over tokens "
            "of 1 − cos in the dense model."
        ),
        source=None,
        when_to_use=(
            "Where the model has to be faster one token at a time: fewer blocks also take fewer "
            "steps. Train what is left with recover."
        ),
        cost="One forward pass of the calibration windows, through the dense model.",
    ),
    MethodInfo(
        name=MethodName.adapt,
        title="Adapt-Pruner",
        summary=(
            "Removes MLP channels and attention heads together: those on which the loss of the "
            "dense model depends least, by the sum over all weights of a unit of |weight · "
            "gradient|. Every block loses the same number; with uniform false, blocks that change "
            "the hidden state less lose more, up to twice the mean, measured again after each of "
            "10 steps, as zeros in place."
        ),
        source="https://arxiv.org/abs/2502.03460",
        when_to_use=(
            "Where the model has to be smaller in MLPs and attention alike, after a comparison "
            "with neurons. Where heads cannot be removed, channels alone are."
        ),
        cost=(
            "As neurons, after one forward and one backward pass of every window through the dense "
            "model, one block in memory at a time; scratch space for each block's inputs. With "
            "uniform false, also 10 forward passes of up to 4,096 tokens."
        ),
    ),
    MethodInfo(
        name=MethodName.pgp,
        title="Bypass back-propagation",
        summary=(
            "Removes MLP channels and attention heads together. Each has a probability to be kept, "
            "which starts from its weights and inputs and is changed in 1,000 steps: two random "
            "draws of units are tried on 2 windows of 64 tokens, and probabilities move towards "
            "the draw with the lower loss. The most probable ones are kept, as many in every "
            "block; with uniform false, over the whole model, as zeros in place."
        ),
        source="https://arxiv.org/abs/2406.10576",
        when_to_use=(
            "Where the loss of the pruned model itself should choose the units, and forward passes "
            "are cheap; compare it with adapt and neurons."
        ),
        cost=(
            "As neurons, after forward passes of about 256,000 tokens, in which the model is read "
            "1,000 times, one block in memory at a time; search_steps sets how often."
        ),
    ),
    MethodInfo(
        name=MethodName.experts,
        title="REAP",
        summary=(
            "Removes experts of a mixture, as many in every layer: those that add least to the "
            "outputs of the tokens that the model's own router sends to them, the mean of the "
            "gate's weight times the norm of the expert's output. No weight that stays changes."
        ),
        source="https://arxiv.org/abs/2510.13999",
        when_to_use=(
            "For mixtures of experts that do not fit into memory. Tokens take as many experts as "
            "before, so that the model is smaller, not faster. How much a model can lose differs "
            "widely: measure it, and calibrate on texts of what the model has to keep doing."
        ),
        cost=(
            "One forward pass of the calibration windows; memory for one block with its experts "
            "and the activations. The result is written at once, without another copy."
        ),
    ),
    MethodInfo(
        name=MethodName.none,
        title="No pruning",
        summary="Keeps the zeros that the model has, prunes nothing and changes no weight.",
        source=None,
        when_to_use="To measure a model that is sparse already.",
        cost="The evaluation alone: no calibration window runs through the model.",
    ),
    MethodInfo(
        name=SolverName.dsnot,
        title="DSnoT",
        summary=(
            "Swaps dropped weights for kept ones in each row of a score's mask, as long as that "
            "brings the row's mean output nearer to the dense one. The kept weights keep their "
            "values."
        ),
        source="https://arxiv.org/abs/2310.08915",
        when_to_use=(
            "After a score, where the kept weights must keep their values; compare it with the "
            "score alone on your own text: it helps on some models and harms on others."
        ),
        cost="As the score, with the mean and variance of each input, and some passes over a mask.",
    ),
    MethodInfo(
        name=AllocationName.owl,
        title="OWL",
        summary=(
            "Gives blocks with more outlying scores a lower sparsity; the mean is unchanged. The "
            "most and the least pruned block lie twice the spread apart, 0.08 by default."
        ),
        source="https://arxiv.org/abs/2310.05175",
        when_to_use="From 60 % unstructured sparsity on, with any method.",
        cost="One more forward pass of the calibration windows, through the dense model.",
    ),
    MethodInfo(
        name=AllocationName.dlp,
        title="DLP",
        summary=(
            "Gives blocks with a lower median score a lower sparsity; the mean is unchanged. The "
            "most and the least pruned block lie twice the spread apart, 0.15 by default."
        ),
        source="https://arxiv.org/abs/2505.23807",
        when_to_use=(
            "As owl, after a comparison: its authors measured it to be better than owl at 70 % and "
            "more, but on SmolLM2-135M it was worse than no allocation."
        ),
        cost="As owl.",
    ),
    MethodInfo(
        name=AllocationName.matrix,
        title="Error curves",
        summary=(
            "Distributes the sparsity of each block over its matrices, so that their outputs "
            "change the least, judged by the share of Wanda's squared scores that each loses. "
            "No matrix's sparsity differs from the job's by more than the spread, 0.15 by default."
        ),
        source="https://doi.org/10.1109/29.90373",
        when_to_use=(
            "With unstructured sparsity and any method; compare it with uniform on your own model."
        ),
        cost="As owl, and a sort of every matrix.",
    ),
)
