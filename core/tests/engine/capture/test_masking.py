from __future__ import annotations

import pytest

from framework.engine.capture.masking import is_secret_name, masked_words, secrets_here
from framework_run.masking import Masker


@pytest.mark.parametrize(
    "name", ["TOKEN", "API_TOKEN", "db.password", "aws-secret-access-key", "GITHUB_TOKEN", "api_key", "PASSWORD"]
)
def test_names_of_secrets(name):
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["tokenizer", "max_tokens", "passed", "key", "secretary", "PATH", "token_count"])
def test_names_that_only_look_like_some(name):
    assert not is_secret_name(name)


def test_the_values_of_secret_variables_are_masked():
    masker = secrets_here({"API_TOKEN": "123456", "PLAIN": "visible", "SHORT_TOKEN": "true"})
    assert masker.text("visible 123456 true") == "visible *** true"


def test_a_command_line_has_no_secrets():
    words = ["run", "--token", "abc", "--password=def", "--depth", "3", "x-s3cr3t-y", "--token", "--json"]
    shown = ["run", "--token", "***", "--password=***", "--depth", "3", "x-***-y", "--token", "--json"]
    assert masked_words(words, Masker(["s3cr3t"])) == shown
