"""``framework function build``, and how its image comes to runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from framework.builders import Builder, Recipe, Report
from framework.engine.images import image_name, image_of, recipe
from framework.engine.map_plan import plan_map
from framework.engine.plan import RunRequest, plan
from framework.engine.session import Session
from framework.errors import BackendError, UsageError
from framework.models.function import Environment
from framework.plugins.hookspecs import hookimpl
from framework.plugins.manager import Plugins
from framework.plugins.registrations import Builder as Registration
from framework.plugins.registrations import RuntimeKind

SET = ("--set", "environment.build_requirements=['pandas>=2', scikit-learn]", "--set", "environment.base_image=base:1")


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    (tmp_path / "job.py").write_text("def main(): pass\n")


def test_a_containerfile_is_printed_and_is_plain() -> None:
    made = recipe(
        Environment(
            base_image="base:1", commands=["apt-get update"], build_requirements=["a[b]>=1; python_version>'3'"]
        )
    )
    assert made is not None
    lines = made.containerfile.splitlines()
    assert lines[0] == "FROM base:1"
    assert lines[-2] == "RUN apt-get update"
    assert lines[-1].endswith("""'a[b]>=1; python_version>'"'"'3'"'"''""")


def test_the_tag_is_the_content() -> None:
    def tag(**parts: Any) -> str:
        made = recipe(Environment(base_image="base:1", **parts))
        assert made is not None
        return made.tag

    assert tag(commands=["a"]) == tag(commands=["a"])
    assert len({tag(commands=["a"]), tag(commands=["b"]), tag(commands=["a", "b"]), tag(build_requirements=["a"])}) == 4


def test_an_environment_that_asks_for_nothing_has_no_recipe() -> None:
    assert recipe(Environment(base_image="base:1", requirements=["installed-at-start"])) is None


def test_upon_what_is_built_is_python_unless_told() -> None:
    made = recipe(Environment(commands=["true"]))
    assert made is not None
    assert made.containerfile.startswith("FROM python:3.")


@pytest.mark.parametrize("word", ["", "  ", "a\nb"])
@pytest.mark.parametrize("field", ["commands", "build_requirements"])
def test_a_step_is_one_line(field: str, word: str) -> None:
    with pytest.raises(UsageError, match=f"spec.environment.{field}"):
        recipe(Environment(**{field: [word]}))


class FakeBuilder(Builder):
    """Keeps what it builds in a file of the home."""

    def find(self, image: str) -> str:
        return "sha256:there" if Path("built").exists() and image in Path("built").read_text() else ""

    def build(self, recipe: Recipe, image: str, report: Report) -> str:
        report("STEP 1")
        if "no-such-program" in recipe.containerfile:
            report("not found")
            raise UsageError("STEP 1 failed\nSTEP 1\nnot found")
        with Path("built").open("a") as file:
            file.write(f"{image}\n")
        return "sha256:new"


class Site:
    @hookimpl
    def framework_builders(self):
        return [Registration(name="fake", target=f"{__name__}:FakeBuilder")]

    @hookimpl
    def framework_runtimes(self):
        local = "framework_runtime_local.runtime:LocalRuntime"
        return [RuntimeKind(name="far", summary="In an image", runtime=local)]


@pytest.fixture
def made() -> Iterator[Callable[..., Session]]:
    """Makes sessions with plugins, and closes what they have opened."""
    sessions: list[Session] = []

    def make(plugins: Plugins) -> Session:
        sessions.append(Session(plugins=plugins))
        return sessions[-1]

    yield make
    for session in sessions:
        if "database" in vars(session):
            session.database.close()


@pytest.fixture
def call(job: None, made: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Call the command with a builder of the test's own."""
    from click.testing import CliRunner

    from framework.cli.functions import build as module

    def run(*words: str) -> Any:
        plugins = Plugins()
        plugins.register(Site(), "site")
        monkeypatch.setattr(plugins, "builder", lambda _name, registry: FakeBuilder(registry))
        monkeypatch.setattr(module, "opened", lambda: made(plugins))
        names = ["-h", "--help"]  # as `framework` has it: a command keeps what it is first called with
        return CliRunner().invoke(
            module.build, ["job.py:main", *words], catch_exceptions=False, help_option_names=names
        )

    return run


def test_an_image_is_built_once(call: Callable[..., Any]) -> None:
    first = json.loads(call(*SET, "--push", "registry.example/team", "--builder", "fake", "--json").stdout)
    assert first["image"].startswith("registry.example/team/framework-env:")
    assert (first["digest"], first["built"]) == ("sha256:new", True)
    again = json.loads(call(*SET, "--push", "registry.example/team", "--builder", "fake", "--json").stdout)
    assert (again["image"], again["digest"], again["built"]) == (first["image"], "sha256:there", False)
    anew = json.loads(call(*SET, "--push", "registry.example/team", "--rebuild", "--json").stdout)
    assert anew["built"]


def test_what_was_printed_as_it_came_is_not_said_again_by_the_error(call: Callable[..., Any]) -> None:
    with pytest.raises(UsageError) as caught:
        call("--set", "environment.commands=[no-such-program]")
    assert caught.value.message == "STEP 1 failed"


def test_the_registry_that_is_set_is_where_it_goes(call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEWORK_REGISTRY", "registry.example:5000")
    done = call(*SET)
    assert done.stdout.startswith("registry.example:5000/framework-env:")
    assert "STEP 1" in done.stderr
    assert "framework run job.py:main" in done.stderr


def test_a_dry_run_prints_the_containerfile_and_builds_nothing(call: Callable[..., Any]) -> None:
    done = call(*SET, "--dry-run")
    assert done.stdout.splitlines()[0] == "FROM base:1"
    assert not Path("built").exists()
    document = json.loads(call(*SET, "--dry-run", "--json").stdout)
    assert document["image"].startswith("localhost/framework-env:")
    assert document["containerfile"] == done.stdout


def test_nothing_to_build_is_said(call: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="'job' asks for nothing that is built") as caught:
        call()
    assert "build_requirements" in caught.value.advice


@pytest.fixture
def session(job: None, made: Callable[..., Session]) -> Session:
    plugins = Plugins()
    plugins.register(Site(), "site")
    return made(plugins)


def planned(session: Session, kind: str, **environment: Any) -> Any:
    return plan(session, RunRequest(target="job.py:main", kind=kind, overrides={"environment": environment}))


def test_a_run_takes_the_image_that_was_built(
    job: None, made: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMEWORK_REGISTRY", "registry.example")
    plugins = Plugins()
    plugins.register(Site(), "site")
    run = planned(made(plugins), "far", base_image="base:1", commands=["true"])
    recipe_of = recipe(Environment(base_image="base:1", commands=["true"]))
    assert recipe_of is not None
    image = image_name(recipe_of, "registry.example")
    assert run.submission.function.spec.environment.image == image
    assert run.run["spec"]["image"] == image
    assert run.function.spec.environment.image == "", "the version is the recipe's, and not the registry's"


def test_without_a_registry_a_run_that_needs_an_image_is_refused(session: Session) -> None:
    with pytest.raises(UsageError, match="there is no registry") as caught:
        planned(session, "far", commands=["true"])
    assert "framework function build" in caught.value.advice


def test_a_map_and_its_items_note_their_image(session: Session) -> None:
    request = RunRequest(target="job.py:main", kind="far", overrides={"environment": {"base_image": "base:1"}})
    made = plan_map(session, request, [{}, {}])
    assert [made.run["spec"]["image"], made.items.record(1)["spec"]["image"]] == ["base:1", "base:1"]


def test_a_base_alone_is_the_image(session: Session) -> None:
    made = planned(session, "far", base_image="base:1")
    assert made.submission.function.spec.environment.image == "base:1"
    assert image_of(session, made.function) == "base:1"


def test_a_kind_that_has_no_images_is_not_hindered(session: Session) -> None:
    assert "image" not in planned(session, "local", commands=["true"]).run["spec"]


@pytest.fixture
def doctor(job: None, made: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Ask what a function needs of the kind ``far``, with a builder of the test's own; findings by subject."""
    from click.testing import CliRunner

    from framework.cli import doctor as module
    from framework.cli import session as sessions

    def run(builder: Callable[[str], Builder] = FakeBuilder) -> dict[str, Any]:
        plugins = Plugins()
        plugins.register(Site(), "site")
        monkeypatch.setattr(plugins, "builder", lambda _name, registry: builder(registry))
        monkeypatch.setattr(sessions, "opened", lambda: made(plugins))
        done = CliRunner().invoke(
            module.doctor,
            ["job.py:main", "--kind", "far", *SET, "--json"],
            catch_exceptions=False,
            help_option_names=["-h", "--help"],
        )
        return {finding["subject"]: finding for finding in json.loads(done.stdout)}

    return run


def test_the_doctor_looks_for_the_image_that_is_built(
    call: Callable[..., Any], doctor: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMEWORK_REGISTRY", "registry.example")
    finding = doctor()["built image"]
    assert not finding["ok"]
    assert "registry.example/framework-env:" in finding["message"]
    assert "framework function build job.py:main" in finding["advice"]
    call(*SET)
    assert doctor()["built image"]["ok"]


def test_the_doctor_says_that_there_is_no_registry(doctor: Callable[..., Any]) -> None:
    finding = doctor()["built image"]
    assert not finding["ok"]
    assert "there is no registry" in finding["message"]


def test_a_registry_that_only_the_backend_reaches_is_no_fault(
    doctor: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away(FakeBuilder):
        def find(self, image: str) -> str:
            raise BackendError("the registry does not answer")

    monkeypatch.setenv("FRAMEWORK_REGISTRY", "registry.example")
    finding = doctor(Away)["built image"]
    assert finding["ok"]
    assert "the registry does not answer" in finding["message"]


def test_the_items_of_a_map_take_it_too(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.settings, "registry", "registry.example", raising=False)
    request = RunRequest(target="job.py:main", kind="far", overrides={"environment": {"commands": ["true"]}})
    (item,) = plan_map(session, request, [{}]).items
    assert item.function.spec.environment.image.startswith("registry.example/framework-env:")
