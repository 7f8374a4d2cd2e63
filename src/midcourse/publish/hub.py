"""To the Hugging Face Hub, behind a flag: what is refused is refused before anything long begins.

Private unless asked otherwise; public weights need a licence and a word on consent, because they cannot be taken back.
What is uploaded is not known here.
"""

from pathlib import Path

from midcourse.errors import InputError, ServerError

__all__ = ["check_push", "push"]


def check_push(repo: str, *, public: bool, licence: str | None, consent: str | None) -> None:
    """Refuse what could not be pushed.

    Raises:
        InputError: The name is none, nobody is signed in, the hub is switched off, or rights are not stated.
    """
    from huggingface_hub import constants, get_token
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise InputError(f"--push takes the name of a repository, such as you/steered-model, got {repo!r}") from error
    if public and not (licence and consent):
        raise InputError(
            "--public publishes for good: state the licence (--license) and what the people who corrected agreed to "
            "(--consent)"
        )
    if constants.HF_HUB_OFFLINE:
        raise InputError("the hub is switched off by HF_HUB_OFFLINE; unset it to push")
    if not get_token():
        raise InputError("nobody is signed in to the hub: run `hf auth login`, or set HF_TOKEN, and push again")


def push(folder: Path, repo: str, *, public: bool) -> str:
    """Upload a folder; the address of what is there then.

    Raises:
        ServerError: The hub cannot be reached or refuses; the folder stays as it is.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        url = api.create_repo(repo, private=not public, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=str(folder), commit_message="Published with Midcourse")
    except Exception as error:  # a network can fail in any way; what was written is whole
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ServerError(f"the hub did not take {repo}: {first[:300]}. {folder} is whole: push it again") from error
    return str(url)
