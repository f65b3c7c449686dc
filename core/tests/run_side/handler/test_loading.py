"""Code that cannot be loaded, and code that can although something is in its way."""

from __future__ import annotations

import pytest


def test_a_missing_handler_is_bad_input_with_the_nearest_name(run):
    ran = run("def train():\n    pass", "trian")
    assert ran.end["cause"] == "BadInput"
    assert ran.end["message"] == "code_of_user.py has no 'trian'. Did you mean 'train'?"
    assert ran.end["advice"] == "It has: train."
    assert "Traceback" not in ran.log("stderr")


def test_a_handler_that_cannot_be_called_is_bad_input(run):
    ran = run("train = 5", "train")
    assert ran.end["message"] == "'train' of code_of_user.py is of type int and cannot be called"


def test_a_dotted_handler_is_found(run):
    assert run("class Model:\n    @staticmethod\n    def fit():\n        return 1", "Model.fit").results == {
        "return": 1
    }


def test_a_syntax_error_is_bad_input_with_the_place(run):
    ran = run("def main():\n    return 1 +\n")
    assert ran.end["cause"] == "BadInput"
    first, line, caret = ran.end["traceback"].splitlines()
    assert ran.end["message"] == first
    assert first.startswith("code_of_user.py:2: ")
    assert line.strip() == "return 1 +"
    assert set(caret.strip()) == {"^"}


def test_a_syntax_error_of_what_the_code_compiles_is_the_users(run):
    ran = run("compile('1 +', 'made up', 'eval')\n\ndef main():\n    pass")
    assert (ran.end["cause"], ran.end["message"][:11]) == ("UserError", "SyntaxError")


def test_a_missing_distribution_is_the_users_error_with_its_name(run):
    ran = run("import yaml_of_nowhere.part\n\ndef main():\n    pass")
    assert ran.end["cause"] == "UserError"
    assert ran.end["message"] == "ModuleNotFoundError: No module named 'yaml_of_nowhere'"
    assert "--requirement yaml_of_nowhere" in ran.end["advice"]


def test_an_exception_while_importing_is_the_users_with_no_frame_of_the_import_system(run):
    ran = run("raise RuntimeError('at import')")
    assert ran.end["message"] == "RuntimeError: at import"
    assert "importlib" not in ran.end["traceback"]
    assert "code_of_user.py" in ran.end["traceback"]


@pytest.mark.parametrize("name", ["json", "threading"])
def test_a_file_with_the_name_of_a_module_in_use_has_to_be_renamed(run, name):
    (run.folder / f"{name}.py").write_text("def main():\n    return 1")
    code = {"folder": str(run.folder), "module": name, "file": f"{name}.py", "handler": "main"}
    ran = run("", code=code)
    assert ran.end["cause"] == "BadInput"
    assert f"{name}.py cannot be imported as {name!r}" in ran.end["message"]
    assert ran.end["advice"] == "Rename the file."


def test_a_package_beside_the_file_that_has_its_name_is_said(run):
    (run.folder / "code_of_user").mkdir()
    (run.folder / "code_of_user" / "__init__.py").write_text("")
    ran = run("def main():\n    return 1")
    assert (ran.end["cause"], "code_of_user.py cannot be imported" in ran.end["message"]) == ("BadInput", True)


def test_a_module_of_a_package_is_imported_as_such(run):
    (run.folder / "pkg").mkdir()
    (run.folder / "pkg" / "__init__.py").write_text("BASE = 40")
    (run.folder / "pkg" / "job.py").write_text("from . import BASE\n\ndef main():\n    return BASE + 2, __name__")
    code = {"folder": str(run.folder), "module": "pkg.job", "file": "pkg/job.py", "handler": "main"}
    assert run("", code=code).results == {"return": [42, "pkg.job"]}


def test_a_folder_or_module_that_is_not_there_is_bad_input(run):
    code = {"folder": "/no/such/folder", "module": "m", "file": "m.py", "handler": "main"}
    assert "is not there" in run("", code=code).end["message"]
    code = {"folder": str(run.folder), "module": "nothing", "file": "nothing.py", "handler": "main"}
    assert "there is no module 'nothing'" in run("", code=code).end["message"]


def test_a_value_that_cannot_be_kept_fails_the_run(run):
    ran = run("def main():\n    return lambda: 1")
    assert ran.end["cause"] == "UserError"
    assert ran.end["message"].startswith("artifact 'return': a function cannot be written as pickle")
    assert ran.of("artifact") == []


def test_a_storage_that_fails_is_no_error_of_the_users(run):
    storage = {"target": "full_store:Store", "options": {}}
    (run.folder / "full_store.py").write_text(
        "import errno\n\nclass Store:\n    def put(self, path):\n        raise OSError(errno.ENOSPC, 'No space left')\n"
    )
    source = "from framework_run.current import get\n\ndef main():\n    get().log_artifact('a', b'x')"
    ran = run(source, artifacts={"storage": storage})
    assert (ran.end["cause"], "artifact 'a' could not be stored" in ran.end["message"]) == ("BackendError", True)
