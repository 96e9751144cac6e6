"""Whether the suite's own claims hold: on times by `bench selftest`, on parity by `bench faults` and `bench alarms`."""

from __future__ import annotations

from backends.registry import Entry

TASK = "mlp_regression"  # some twenty passes of as many milliseconds in each process; it keeps one core busy
REPETITION_S = 75.0  # 20 runs of this length, the overhead and the faults take half an hour at most
# Backends for the self-test only: they are in no list, and only the self-test passes them to workers.
SELFTEST = Entry(
    name="selftest",
    module="bench.selftest.backend",
    modes=(
        "same",
        "again",
        "slower",
        "no_op",
        "by_hand",
        "unfinished",
        "more_threads",
        "slows_down",
        "recompiles",
    ),
    framework="numpy",
    distributions=("numpy",),
    install="",
)
FAULTY = Entry(
    name="faulty",
    module="bench.selftest.faulty",
    modes=(
        "rate_off",
        "bias_kept",
        "gradient_summed",
        "adam_uncorrected",
        "adam_epsilon_inside",
        "momentum_dampened",
        "batch_skipped",
        "order_reversed",
        "last_layer_kept",
        "relu_leaks",
        "softmax_twice",
        "loss_after",
        "transposed",
        "half_precision",
        "tf32",
        "stale_gradient",
        "scaled",
        "replayed",
        "stops_early",
        "evaluates_start",
        "kernel_flipped",
        "padding_moved",
        "flattened_by_channel",
        "padding_counted",
        "unbiased_variance",
        "keras_epsilon",
        "gelu_by_tanh",
        "attention_unscaled",
        "padding_unmasked",
        "positions_left_out",
        "residual_left_out",
        "padding_trained",
    ),
    framework="numpy",
    distributions=("numpy",),
    install="",
)
CHEATING = Entry(
    name="cheating",
    module="bench.selftest.cheating",
    modes=(
        "skips_later",
        "remembers",
        "trains_in_reset",
        "waits_first",
        "ends_early_later",
        "every_twentieth_later",
        "last_layer_later",
        "half_precision_later",
        "keeps_state",
        "params_averaged",
        "predicts_averaged",
        "predicts_half",
        "product_at_once",
        "patched_clock",
        "child_works",
    ),
    framework="numpy",
    distributions=("numpy",),
    install="",
)
HIDDEN = {entry.name: entry for entry in (SELFTEST, FAULTY, CHEATING)}
