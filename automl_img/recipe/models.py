"""The keys of a recipe, their types, defaults and meaning. ``automl-img recipe schema`` prints this as JSON Schema."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from automl_img.recipe.units import counted, duration_plain, duration_seconds, duration_text, size_bytes, size_plain
from automl_img.recipe.wishes import Wish

Duration = Annotated[
    float,
    BeforeValidator(lambda value: duration_seconds(value)),
    PlainSerializer(duration_plain, return_type=str),
    Field(json_schema_extra={"type": "string", "examples": ["90s", "10m", "1h30m"]}),
]
Size = Annotated[
    int,
    BeforeValidator(lambda value: size_bytes(value)),
    PlainSerializer(size_plain, return_type=str),
    Field(json_schema_extra={"type": "string", "examples": ["500MB", "4GB", "2GiB"]}),
]
MODULE_NAME = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"


def _module_name(name: str) -> str:
    """Refuse what an import statement could not name: the model that is saved in the end would not be read again."""
    if not re.match(MODULE_NAME, name):
        problem = f"{name!r} is no name of a Python module: letters, digits and underscores, with dots between parts"
        raise ValueError(f"{problem}; a file my_net.py is named my_net")
    return name


ModuleName = Annotated[str, AfterValidator(_module_name)]
Names = Literal["all"] | list[str]
OptionValue = bool | int | float | str
SourceOption = OptionValue | list[str]


class Settings(BaseModel):
    """A table of the recipe; a key that is not declared is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSettings(Settings):
    """``[data]``: which images."""

    source: str = Field("folder", description="Name of the data source plugin.")
    path: str | None = Field(None, description="Where the images are; relative paths start at the recipe's folder.")
    task: Literal["auto", "binary", "multiclass", "multilabel", "hierarchical"] = Field(
        "auto", description='What the labels mean; "auto" sees it by the labels, and says so.'
    )
    validation: float = Field(0.1, gt=0, lt=1, description="Share of the training images that picks the best model.")
    test: float = Field(
        0.0, ge=0, lt=1, description="Share of the images kept for the final test, if the source brings no test images."
    )
    image_size: Literal["auto"] | int | tuple[int, int] = Field(
        "auto", description="Side, or [height, width], in pixels that the networks get."
    )
    channels: Literal["auto", 1, 3] = Field("auto", description="1 for grey, 3 for colour.")
    max_unreadable: float = Field(
        0.05, ge=0, le=1, description="Share of unreadable files above which the search stops."
    )
    store_gb: float = Field(
        50.0,
        ge=0,
        description="Gigabytes of prepared images in the cache, above which files are decoded anew each time they are read.",
    )
    options: dict[str, SourceOption] = Field(default_factory=dict, description="Settings of the source plugin.")

    @model_validator(mode="after")
    def _sizes_are_sensible(self) -> Self:
        if any(not 8 <= side <= 1024 for side in self.size() or ()):
            raise ValueError("image_size must lie between 8 and 1024 pixels")
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on: their sum must be below 1")
        return self

    def size(self) -> tuple[int, int] | None:
        """The fixed (height, width), or None for "auto"."""
        if self.image_size == "auto":
            return None
        return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size


class LimitSettings(Settings):
    """``[search.limits]``: what no trial may exceed."""

    parameters: int | None = Field(None, gt=0, description="Weights of the network.")
    seconds: Duration | None = Field(None, description="Wall time of one trial.")
    memory: Size | None = Field(
        None, description="Main memory of one trial's process; its share of the machine's memory unless given."
    )
    latency: Duration | None = Field(
        None,
        description='Time to predict one image on this machine, such as "20ms"; slower networks are skipped untrained.',
    )


class SearchSettings(Settings):
    """``[search]``: what is tried."""

    strategy: str = Field("bayesian", description="Name of the search strategy plugin.")
    architectures: Names = Field("all", description="Architecture plugins that take part.")
    augmentations: Names = Field("all", description="Augmentation plugins that take part.")
    regularizers: Names = Field("all", description="Regularizer plugins that take part.")
    warm_start: str | None = Field(
        None,
        description="Run folder of an earlier search: its best configuration is tried first, and on the same images its trials are learned "
        "from.",
    )
    starts: bool = Field(True, description="Try each architecture's own starting point first.")
    final_share: float = Field(
        0.75,
        ge=0,
        le=0.9,
        description="Share of the time for the final training of the best; 0: every trial is a full one.",
    )
    experience: bool = Field(
        True,
        description="Learn from this user's earlier searches on other images, and let later ones learn from this one.",
    )
    fixed: dict[str, OptionValue] = Field(
        default_factory=dict,
        description='Hyperparameters by full name that are not searched, such as "optimizer.muon.lr" = 0.01; automl-img plugins show NAME '
        "says those of a plugin, automl-img leaderboard RUN --json those of a search.",
    )
    options: dict[str, OptionValue] = Field(default_factory=dict, description="Settings of the strategy plugin.")
    limits: LimitSettings = Field(default_factory=LimitSettings)


class BudgetSettings(Settings):
    """``[budget]``: what the whole command may spend; at least one key is set, or the table is left out: ten minutes."""

    time: Duration | None = Field(None, description="Wall time of the whole command, the final evaluation included.")
    trials: int | None = Field(None, gt=0, description="Number of trials.")
    epochs: int | None = Field(None, gt=0, description="Training epochs over all trials.")
    device_hours: float | None = Field(
        None,
        gt=0,
        description="Hours of GPUs that all trials together may take; of processor cores where there is no GPU.",
    )

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if self.time is None and self.trials is None and self.epochs is None and self.device_hours is None:
            raise ValueError(
                "a budget needs at least one of time, trials, epochs and device_hours: without one a search never ends"
            )
        if self.time is not None and self.time < 20:
            raise ValueError("a search needs at least 20 s: starting TensorFlow alone takes some")
        return self

    def in_words(self) -> str:
        """What may be spent, such as "10m, 20 trials"."""
        limits = [duration_text(self.time)] if self.time else []
        limits += [counted(self.trials, "trial")] if self.trials else []
        limits += [counted(self.epochs, "epoch")] if self.epochs else []
        limits += [counted(self.device_hours, "device hour")] if self.device_hours else []
        return ", ".join(limits)


class TrainSettings(Settings):
    """``[train]``: how each trial trains."""

    epochs: int = Field(60, gt=0, description="Epochs of a full training; the time may end it earlier.")
    patience: int = Field(
        15,
        gt=0,
        description="Measurements (one an epoch, or fewer) without a better validation F1 after which a trial cools down and ends.",
    )
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "auto", description='"auto" takes mixed precision where the hardware gains from it.'
    )
    optimizers: list[Literal["muon", "adamw", "adam", "sgd", "rmsprop"]] = Field(
        ["muon", "adamw", "adam", "sgd", "rmsprop"],
        min_length=1,
        description="The first is the starting points'. Muon is left out beside others where pretrained weights are trained on.",
    )
    schedules: list[Literal["one_cycle", "cosine", "constant", "reduce_on_plateau"]] = Field(
        ["one_cycle", "cosine", "constant", "reduce_on_plateau"],
        min_length=1,
        description="Of the learning rate; each falls to zero at the trial's end.",
    )
    losses: list[Literal["cross_entropy", "focal", "mean_squared_error"]] = Field(
        ["cross_entropy", "focal", "mean_squared_error"], min_length=1, description="What training minimises."
    )
    batch_sizes: list[int] = Field([64, 128, 256], min_length=1, description="Images in one training step.")
    imbalance: Literal["auto", "none", "class_weights", "balanced_sampling"] = Field(
        "auto",
        description='What makes rare classes count: weights in the loss, or drawing them more often; "auto" lets the search choose '
        "where classes are imbalanced. The focal loss stands under losses.",
    )
    weights: str = Field("none", description='Pretrained weights: "none", "imagenet", or a .weights.h5 file.')
    deterministic: bool = Field(
        False,
        description="The same result to the last digit: epoch-bound schedules, TensorFlow's deterministic operations, and one trial "
        "at a time unless compute.slots says otherwise.",
    )

    @model_validator(mode="after")
    def _batches_are_sensible(self) -> Self:
        if any(size < 1 for size in self.batch_sizes):
            raise ValueError("batch_sizes must be at least 1")
        return self


class ComputeSettings(Settings):
    """``[compute]``: where trials run."""

    executor: Literal["local", "ray"] = Field(
        "local", description='"local": processes of this machine; "ray": a Ray cluster (extra automl-img[ray]).'
    )
    address: str = Field(
        "auto",
        description='Of the Ray cluster: "auto" the one that this machine belongs to, "local" a new one on this machine, or "host:port".',
    )
    slots: Literal["auto"] | int = Field(
        "auto", description="Trials that run at once on this machine, or at most on the cluster."
    )
    cpus_per_trial: int = Field(1, ge=1, description="Cores that each trial asks of a Ray cluster.")
    devices_per_trial: int = Field(
        1, ge=1, description="GPUs on which one trial trains, each with its part of every batch."
    )
    trials_per_device: int = Field(1, ge=1, description="Trials that share one GPU, each with its part of the memory.")

    @model_validator(mode="after")
    def _address_is_one(self) -> Self:
        host, colon, port = self.address.rpartition(":")
        if self.address not in ("auto", "local") and not (host and colon and port.isdigit()):
            raise ValueError('address must be "auto", "local" or host:port, such as "10.0.0.1:6379"')
        return self

    @model_validator(mode="after")
    def _slots_exist(self) -> Self:
        if self.slots != "auto" and self.slots < 1:
            raise ValueError("slots must be at least 1")
        if self.devices_per_trial > 1 and self.trials_per_device > 1:
            raise ValueError(
                "either a trial takes several GPUs (devices_per_trial) or a GPU several trials (trials_per_device)"
            )
        return self


class FinalSettings(Settings):
    """``[final]``: what is made of the trained models when the search has ended."""

    prefer: Literal["cheapest", "best"] = Field(
        "cheapest",
        description="Among models whose validation F1 cannot be told apart, the fastest or the one with the highest F1.",
    )
    ensemble: int = Field(
        4,
        ge=1,
        le=16,
        description="The most models that the final one may average; it does where that gains more than chance would on the validation "
        "images. 1: never.",
    )
    repeats: Literal["auto"] | int = Field(
        "auto",
        description="Times that the best configuration is trained again under other seeds, to tell how much is luck: the last so many of "
        'budget.trials; "auto": up to 2, where time is left after the final trainings.',
    )

    refit: bool = Field(
        False,
        description="Train the winner once more on training and validation images together, for as many passes as served it best; its "
        "temperature, thresholds and decision stay. The winner is one network then, whatever `ensemble` says.",
    )

    @model_validator(mode="after")
    def _repeats_are_counted(self) -> Self:
        if self.repeats != "auto" and not 0 <= self.repeats <= 100:
            raise ValueError("repeats must lie between 0 and 100")
        return self


class DecisionSettings(Settings):
    """``[decision]``: how answers follow from probabilities; fitted on validation images, and kept in the model."""

    costs: dict[str, dict[str, float]] = Field(
        default_factory=dict,
        description="What a mistake costs, by true and answered class, such as costs.defect.fine = 20; others cost 1.",
    )
    wishes: list[str] = Field(
        default_factory=list, description='Figures that classes are to reach, such as "precision >= 0.98 for defect".'
    )
    accuracy: float | None = Field(
        None,
        gt=0,
        le=1,
        description='Share of the answers given that is to be right; "don\'t know" where that takes it.',
    )
    unknown: float | None = Field(
        None,
        gt=0,
        lt=0.5,
        description='Share of validation images that may be called "unknown": it sets how strange an image must be to be called so.',
    )
    parents: float | None = Field(
        None, gt=0.5, lt=1, description="Hierarchical: probability below which the parent of a class is answered."
    )

    @model_validator(mode="after")
    def _costs_are_sensible(self) -> Self:
        if any(not 0 <= cost < 1e9 for row in self.costs.values() for cost in row.values()):
            raise ValueError("costs must be at least 0, and finite")
        if self.costs and self.wishes:
            raise ValueError("either costs or wishes decide between classes, not both")
        return self

    @model_validator(mode="after")
    def _wishes_can_be_read(self) -> Self:
        self.parsed()
        return self

    def parsed(self) -> tuple[Wish, ...]:
        """The wishes, read."""
        return tuple(Wish.parsed(text) for text in self.wishes)


class OutputSettings(Settings):
    """``[output]``: what a run leaves behind."""

    folder: str | None = Field(None, description='The run folder; "runs/<recipe>-<time>" unless given.')
    keep: Literal["best", "all"] = Field("best", description="Whose weights are kept when the search has ended.")
    trackers: list[str] = Field(
        ["tensorboard"],
        description="Tracker plugins that keep the course of the search: "
        '"tensorboard" and "csv" write into the run folder, "mlflow" tells a server (extra automl-img[mlflow]).',
    )


class PluginSettings(Settings):
    """``[plugins]``: which plugins there are at all."""

    modules: list[ModuleName] = Field(
        default_factory=list, description="Importable modules with plugins that have no entry point."
    )
    only: list[str] | None = Field(None, description="If given, plugins of other names are left out.")
    block: list[str] = Field(default_factory=list, description="Plugins of these names are left out.")


class Recipe(Settings):
    """A whole recipe."""

    name: str = Field(
        "search", pattern=r"^[\w.-]+$", description="Names the run folder; the name of the file unless given."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of everything random.")
    data: DataSettings = Field(default_factory=DataSettings)
    search: SearchSettings = Field(default_factory=SearchSettings)
    budget: BudgetSettings = Field(default_factory=lambda: BudgetSettings(time="10m"))
    train: TrainSettings = Field(default_factory=TrainSettings)
    compute: ComputeSettings = Field(default_factory=ComputeSettings)
    final: FinalSettings = Field(default_factory=FinalSettings)
    decision: DecisionSettings = Field(default_factory=DecisionSettings)
    output: OutputSettings = Field(default_factory=OutputSettings)
    plugins: PluginSettings = Field(default_factory=PluginSettings)

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        if self.train.deterministic and self.budget.trials is None and self.budget.epochs is None:
            raise ValueError(
                "train.deterministic needs budget.trials or budget.epochs: what fits into a time differs from run to run"
            )
        if self.train.weights != "none" and self.data.image_size != "auto" and min(self.data.size() or (32,)) < 32:
            raise ValueError(
                "train.weights needs data.image_size of at least 32: pretrained networks see nothing smaller"
            )
        return self

    def paths(self) -> dict[tuple[str, str], str]:
        """The paths that stand in it, by table and key; ``train.weights`` may be a name instead."""
        found = {
            ("data", "path"): self.data.path,
            ("train", "weights"): self.train.weights if self.train.weights.endswith(".h5") else None,
            ("search", "warm_start"): self.search.warm_start,
        }
        return {place: path for place, path in found.items() if path is not None}

    def plain(self) -> dict[str, Any]:
        """The recipe as plain data, without the keys that are unset, as TOML and JSON can hold it."""
        return self.model_dump(mode="json", exclude_none=True)
