"""The entries; what is wrong with each stands in its name."""

from dataclasses import replace

from backends.registry import Entry

TRAINING = Entry(
    name="broken_training",
    module="broken_training",
    modes=("raises", "nan", "one_loss", "hangs"),
    framework="numpy",
    distributions=("numpy",),
    install="pip install levelfield-broken",
)
NO_ENTRY = None
OTHER_NAME = replace(TRAINING, name="somebody_else")
NO_MODES = replace(TRAINING, name="entry_no_modes", modes=())
WRONG_TYPES = replace(TRAINING, name="entry_wrong_types", modes="eager", framework="")
MODULE_RAISES = replace(TRAINING, name="module_raises", module="broken_module", modes=("eager",))
MODULE_MISSING = replace(TRAINING, name="module_missing", module="no_such_module", modes=("eager",))
MODULE_EXITS = replace(TRAINING, name="module_exits", module="broken_exit", modes=("eager",))
WRONG_SIGNATURE = replace(TRAINING, name="wrong_signature", module="broken_signature", modes=("eager",))
