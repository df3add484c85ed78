"""What goes in and out of the server, as OpenAPI describes it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ImagesIn(BaseModel):
    """Images in JSON."""

    model_config = ConfigDict(extra="forbid")

    images: list[str] = Field(
        min_length=1,
        description="Image files, each in base64; what stands before a comma, as in a data URI, is skipped.",
    )


class ClassOut(BaseModel):
    """A class with its probability."""

    label: str
    probability: float


class ImageOut(BaseModel):
    """What is said of one image: an answer, or what is wrong with the image."""

    name: str = Field(description="Of the uploaded file, or its place in the JSON.")
    answer: str | None = Field(
        None,
        description='The class; with a [decision] also the parent of one, "don\'t know" or "unknown"; None for several labels.',
    )
    labels: list[str] | None = Field(
        None, description="Of a model with several labels, those that reach their thresholds."
    )
    classes: list[ClassOut] = Field([], description="The most probable classes, the first one first.")
    error: str | None = None


class PredictionsOut(BaseModel):
    """What is said of the images, in their order."""

    predictions: list[ImageOut]


class ProblemOut(BaseModel):
    """Why a request was refused."""

    detail: str


class HealthOut(BaseModel):
    """That the server lives, and what is served, which only those are told who bring the token where one is asked for."""

    status: str = "ok"
    model: str | None = None
    architecture: str | None = None
    task: str | None = None
    classes: list[str] | None = None
    image: list[int] | None = Field(
        None, description="Height, width and channels that the network gets; any size may be sent."
    )
