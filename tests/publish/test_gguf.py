"""llama.cpp's converters are found, called as they document it, and heard when they fail."""

import pytest

from midcourse.errors import MissingExtra, ModelError
from midcourse.publish.gguf import LORA, MERGED, convert_lora, convert_merged, find_converter, split_digits
from midcourse.tokens import TextTokenizer
from model_folder import save_model
from publish_converter import SCRIPT


@pytest.fixture
def llama_cpp(tmp_path, monkeypatch):
    folder = tmp_path / "llama.cpp"
    folder.mkdir()
    for name in (MERGED, LORA):
        (folder / name).write_text(SCRIPT)
    monkeypatch.setenv("LLAMA_CPP_DIR", str(folder))
    return folder


def test_where_there_is_none_a_sentence_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LLAMA_CPP_DIR", raising=False)
    with pytest.raises(MissingExtra, match="set LLAMA_CPP_DIR"):
        find_converter(MERGED)
    monkeypatch.setenv("LLAMA_CPP_DIR", str(tmp_path))
    with pytest.raises(MissingExtra, match="holds no"):
        find_converter(MERGED)


def test_it_is_found_on_the_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LLAMA_CPP_DIR", raising=False)
    (tmp_path / MERGED).write_text("")
    (tmp_path / MERGED).chmod(0o755)
    assert find_converter(MERGED) == tmp_path / MERGED


def test_both_converters_are_called_with_what_they_take(llama_cpp, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    convert_merged(model, tmp_path / "whole.gguf", "bfloat16")
    convert_lora(model, model, tmp_path / "lora.gguf", "float16")
    assert (tmp_path / "whole.gguf").read_bytes() == b"GGUFbf16"
    assert (tmp_path / "lora.gguf").read_bytes() == b"GGUFf16"


def test_its_last_words_are_repeated(llama_cpp, tmp_path):
    with pytest.raises(ModelError, match="there is no such model"):
        convert_merged(tmp_path / "none", tmp_path / "whole.gguf", "float16")


def test_a_file_that_is_no_gguf_is_no_success(llama_cpp, tmp_path):
    (llama_cpp / MERGED).write_text(SCRIPT.replace("GGUF", "ELSE"))
    (tmp_path / "model").mkdir()
    with pytest.raises(ModelError, match="could not convert"):
        convert_merged(tmp_path / "model", tmp_path / "whole.gguf", "float16")


def test_digits_are_split_and_ids_mean_the_same(tmp_path):
    before = TextTokenizer.load(save_model(tmp_path))
    split_digits(tmp_path)
    after = TextTokenizer.load(tmp_path)
    assert after.hash != before.hash
    assert after.encode("In 1932, yes") == before.encode("In 1932, yes")
