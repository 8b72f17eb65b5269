"""Files of the Hugging Face hub: from the local cache, else by one download."""

from functools import cache
from pathlib import Path

from vitbench.models.weights import Missing

PROBE_SECONDS = 3.0


def hub_file(repo: str, name: str, revision: str | None = None) -> Path:
    """The local path of a hub file. Raises Missing where the cache and the hub lack it.

    huggingface_hub retries an unreachable hub for most of a minute. So the hub is asked once,
    shortly, whether it is there at all.
    """
    path = cached_file(repo, name, revision)
    if path is not None:
        return path
    reason = unreachable()
    if reason:
        raise Missing(f"{repo} is not in the hub's cache and {reason}")
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repo, name, revision=revision))
    except Exception as error:  # noqa: BLE001 - not found, no access, no disk, no connection
        first = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise Missing(f"{repo}: {name} cannot be downloaded ({first[0]})") from error


def cached_file(repo: str, name: str, revision: str | None = None) -> Path | None:
    """The path of a hub file that is in the local cache, or None."""
    from huggingface_hub import constants, try_to_load_from_cache

    # The cache's folder is read here, not when the default argument was made.
    found = try_to_load_from_cache(repo, name, constants.HF_HUB_CACHE, revision)
    return Path(found) if isinstance(found, str) else None


def unreachable() -> str | None:
    """Why no hub can be asked, or None. HF_HUB_OFFLINE and HF_ENDPOINT count, as everywhere."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    return None if _answers(constants.ENDPOINT) else f"{constants.ENDPOINT} does not answer"


@cache
def _answers(endpoint: str) -> bool:
    from huggingface_hub.utils import get_session

    try:
        get_session().head(endpoint, timeout=PROBE_SECONDS)
    except Exception:  # noqa: BLE001 - whatever it is, there is no hub
        return False
    return True
