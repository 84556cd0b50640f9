"""A Hugging Face folder as a starting point: its shape, its weights under torchtitan's names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opencoder.errors import DataError, UserError
from opencoder.files import reading_from
from opencoder.store import read_json
from train.export.folder import INDEX
from train.export.names import hf_name, titan_sizes, to_titan
from train.export.tokenizer import read_ids
from train.shape import Shape

if TYPE_CHECKING:
    from torch import Tensor

SINGLE = "model.safetensors"
CONFIG = "config.json"


def hf_shape(folder: Path) -> Shape:
    """Return the shape of the model in a Hugging Face folder.

    Raises:
        DataError: There is no readable ``config.json``.
        UserError: The model is no plain Llama.
    """
    return Shape.from_hf_config(read_json(folder / CONFIG, dict[str, Any]), str(folder / CONFIG))


def check_start(folder: Path, shape: Shape, tokenizer: Path) -> None:
    """Refuse a folder that a run of this shape and tokenizer cannot start from; reads headers only.

    Rows of the embedding are neither added nor cut: which ids they stand for is the tokenizer's business,
    and a wrong guess would train without an error.

    Args:
        folder: The Hugging Face folder.
        shape: Of the run.
        tokenizer: Of the run.

    Raises:
        UserError: Another shape or another vocabulary.
        DataError: A file is missing or damaged.
    """
    found = hf_shape(folder)
    differing = [
        f"{name} {getattr(found, name)} instead of {getattr(shape, name)}"
        for name in Shape.__struct_fields__
        if getattr(found, name) != getattr(shape, name) and name != "max_positions"
    ]
    if found.vocab != shape.vocab:
        raise UserError(
            f"{folder} has {found.vocab} rows in its embedding, the run {shape.vocab}; rows are not added or "
            "cut: use the tokenizer and the vocabulary of the folder"
        )
    if differing:
        raise UserError(f"{folder} is another model than the run's: {', '.join(differing)}")
    ids = read_ids(tokenizer)
    if ids.vocab > shape.vocab:
        raise UserError(
            f"the tokenizer {tokenizer} has ids up to {ids.vocab - 1}, {folder} has {shape.vocab} rows for "
            "them; use the tokenizer of the folder"
        )
    _places(folder, found)


def hf_state(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters of a Hugging Face folder under torchtitan's names and in its order of rows.

    One tensor is in memory at a time. A tied output layer comes as ``lm_head.weight`` too, as torchtitan's
    state dict has it.

    Raises:
        UserError: The model is no plain Llama.
        DataError: A file is missing or damaged, a tensor is missing or has another size than the config says.
    """
    from safetensors import SafetensorError, safe_open

    shape = hf_shape(folder)
    places = _places(folder, shape)
    for name, size in titan_sizes(shape):
        path = places[hf_name(name)]
        try:
            with safe_open(path, framework="pt") as file:
                tensor: Tensor = file.get_tensor(hf_name(name))
        except SafetensorError as error:
            raise DataError(f"damaged ({error}); fetch it again", path=path) from error
        if tuple(tensor.shape) != size:
            raise DataError(f"{hf_name(name)} is {tuple(tensor.shape)}, {CONFIG} says {size}", path=path)
        tensor = to_titan(name, tensor, shape)
        yield name, tensor
        if shape.tied and name == "tok_embeddings.weight":
            yield "lm_head.weight", tensor


def _places(folder: Path, shape: Shape) -> dict[str, Path]:
    """Return the file of each parameter, after a look at the headers of all files.

    Raises:
        DataError: A file or a parameter is missing, a file is cut off, or there is a parameter that the
            model does not have.
    """
    from safetensors import SafetensorError, safe_open

    names = _files(folder)
    found: dict[str, Path] = {}
    for path in names:
        try:
            with reading_from(path), safe_open(path, framework="pt") as file:
                found |= dict.fromkeys(file.keys(), path)
        except SafetensorError as error:
            raise DataError(f"damaged ({error}); fetch it again", path=path) from error
    wanted = {hf_name(name) for name, _ in titan_sizes(shape)}
    if missing := wanted - found.keys():
        raise DataError(f"no {min(missing)} in its {len(names)} files of weights", path=folder)
    # Old conversions keep the frequencies, tied models their output layer; both follow from the rest.
    known = {name for name in found if name.endswith("rotary_emb.inv_freq")}
    known |= {"lm_head.weight"} if shape.tied else set()
    if unknown := found.keys() - wanted - known:
        raise DataError(f"{min(unknown)} is no parameter of a plain Llama", path=found[min(unknown)])
    return found


def _files(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        places = read_json(folder / INDEX, dict[str, Any]).get("weight_map")
        if not isinstance(places, dict) or not places:
            raise DataError("has no weight_map", path=folder / INDEX)
        return sorted({folder / str(name) for name in places.values()})
    if not (folder / SINGLE).is_file():
        raise DataError(f"has neither {SINGLE} nor {INDEX}; convert it to safetensors", path=folder)
    return [folder / SINGLE]
