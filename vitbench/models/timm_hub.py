"""timm's repositories of the Hugging Face hub: in the hub's cache, or downloaded into it."""

from pathlib import Path

from vitbench.errors import UserError
from vitbench.models.base import ModelSpec
from vitbench.models.spec import PREFIX
from vitbench.models.timm_files import FILES, weights_in
from vitbench.models.weights import cached_file, first_line, hub_answers

CONFIG = "config.json"


def snapshot(spec: ModelSpec, mode: str | None) -> tuple[Path, str]:
    """The folder with the config and the weights of `hf-hub:ORG/NAME[@REVISION]`, and where they
    came from. `mode` is the value of --weights: for seeded weights the config is enough.

    Raises UserError where they are neither in the cache nor to be had.
    """
    if mode == "bundled":
        raise UserError(f"--weights bundled: there is no bundled checkpoint for {spec.ident}")
    repo, _, revision = spec.ident.removeprefix(PREFIX).partition("@")
    config = cached_file(repo, (CONFIG,), revision or None)
    if config and (mode == "seeded" or weights_in(config.parent)):
        return config.parent, f"{repo}, cached"
    lacking = "its weights are" if config else f"{repo} is"
    if not hub_answers():
        from huggingface_hub import constants

        raise UserError(
            f"{spec.where}: {lacking} not in the hub's cache ({constants.HF_HUB_CACHE}) and the "
            "hub does not answer: download it where it does, or name its folder: local-dir:PATH"
        )
    return _downloaded(spec.where, repo, revision or None, mode), repo


def _downloaded(where: str, repo: str, revision: str | None, mode: str | None) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        folder = Path(hf_hub_download(repo, CONFIG, revision=revision)).parent
    except Exception as error:  # whatever a broken connection or an unknown name leads to
        raise UserError(f"{where}: {repo} cannot be downloaded: {first_line(error)}") from error
    if mode == "seeded":
        return folder
    for file in FILES:
        try:
            return Path(hf_hub_download(repo, file, revision=revision)).parent
        except Exception as error:
            absent = isinstance(error, EntryNotFoundError)
            if not absent or isinstance(error, LocalEntryNotFoundError):
                raise UserError(
                    f"{where}: {file} cannot be downloaded: {first_line(error)}"
                ) from error
    raise UserError(f"{where}: {repo} has none of {', '.join(FILES)}")
