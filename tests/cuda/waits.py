"""The places in `worker` that wait for the GPU, and why."""

WAITS = (
    # Before the first block, or after the last one.
    "pruning.methods.allocation.*",  # numbers from which the blocks' sparsities follow
    "pruning.methods.matrix_allocation.*",  # the same of matrices
    "pruning.model.block_inputs.BlockInputs.*",  # runs the model's own code, compares arguments
    "pruning.model.blocks._same",  # compares the arguments of the blocks
    "pruning.model.head_loss.*",  # runs the model's own code, and keeps the results of batches
    "pruning.sweep.measurement.*",  # keeps the gradients and the scores of a block on the host
    "pruning.sweep.removal.block_distances.*",  # a number for each batch and block
    "pruning.sweep.removal.last_token_choice.*",  # counts of a batch
    "pruning.sweep.removal.unit_trials.*",  # the scores of a matrix
    "pruning.methods.adapt.unit_importance",  # sums of a matrix
    # Of a block.
    "pruning.stats.gradient_norms.GradientNorms.*",  # writes them to a file
    "pruning.sweep.evaluation.Evaluation.output_error",  # for the report
    "pruning.structure.coupling.*",  # looks at what a sample of two tokens reaches
    "pruning.refinement.block_training.BlockTraining.held_out_loss",  # decides what is kept
    "pruning.refinement.trained_weight.TrainedWeight.store",  # the best weights, on the host
    # Of a batch in a block.
    "pruning.model.activations.Activations.__setitem__",  # hidden states are kept on the host
    "pruning.model.blocks.BlockArguments.call",  # runs the model's own code
    "pruning.model.expert_products._ObservedStack.*",  # which rows code that masks experts passes
    "pruning.experts.routed_tokens.*",  # counts tokens on the host, and looks for NaN
    # Of an optimizer step.
    "pruning.refinement.block_training.BlockTraining.train",  # whether the gradient is finite
    "recovery.optimizer._square",  # whether the gradient is finite, and how it is clipped
    "recovery.training.Training._gradients",  # the loss of a micro-batch, for the report
    "recovery.training.Training._held_out_losses",  # decides what is kept
    # Of the teacher's batch, or of a matrix before or after the training.
    "pruning.base.durable_files.save_tensors",  # writes the state to a file
    "recovery.kinds.adaptive._pattern_of",  # which pattern the first mask satisfies
    "recovery.student.*",  # runs the model's own code, and writes weights to the host
    "recovery.teacher._stored",  # writes the predictions to a file
    # Of a matrix.
    "pruning.base.masking.count_zeros",  # for the report, and whether a fill can be left out
    "pruning.binarization.bits.count_bits",  # for the report
    "pruning.methods.scores._small_share",  # a factor of the score
    "pruning.methods.strategies._score",  # looks for NaN
    "pruning.methods.target.Target.*",  # writes masks and weights to the host, for the file
    "pruning.methods.units.repaired",  # which units are left
    "pruning.model.packed_weights.QuantizedMatrix.to",  # writes the integers to the host
    "pruning.stats.cross_moments.CrossMoments.cross",  # looks for NaN
    "pruning.stats.gram.*",  # the damping, and whether a factorization has failed
    "pruning.sweep.removal.unit_pruner.UnitPruner.*",  # which units are left, and NaN
    "pruning.sweep.sampled_rows.*",  # for the report
    # Of a step of a solver, or of a group of columns, of a matrix.
    "pruning.binarization.binarize._Binarizing.*",  # which columns of a group are salient
    "pruning.methods.patterns.keep_largest",  # whether there are ties
    "pruning.methods.solvers.alps.*",  # how much the mask has changed
    "pruning.methods.solvers.least_squares.*",  # sizes of systems, and whether one has failed
    "pruning.methods.solvers.sparsegpt.Elimination.__init__",  # which inputs are dead
    "pruning.methods.swaps.*",  # whether any row can go on
)
"""Another one is a reason to think: on a GPU it takes as long as all that comes before."""
