"""What could not be pushed is refused before anything long begins."""

import pytest
from huggingface_hub import constants

from midcourse.errors import InputError
from midcourse.publish.hub import check_push

RIGHTS = {"public": False, "licence": None, "consent": None}


def test_a_name_that_is_none():
    with pytest.raises(InputError, match="you/steered-model"):
        check_push("no name at all", **RIGHTS)


def test_public_weights_need_licence_and_consent():
    with pytest.raises(InputError, match="--license"):
        check_push("you/model", public=True, licence="apache-2.0", consent=None)


def test_offline(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="HF_HUB_OFFLINE"):
        check_push("you/model", **RIGHTS)


def test_nobody_is_signed_in(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="hf auth login"):
        check_push("you/model", **RIGHTS)
