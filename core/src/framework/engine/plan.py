"""From a request to a plan: everything is resolved and checked, and nothing is started or written."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import attrs
from attrs import Factory, define

from framework.databases import Document
from framework.engine import notifications, secrets
from framework.engine.caching import note_key
from framework.engine.capture import Capture, begin
from framework.engine.defaults import under
from framework.engine.inputs import Located, contents, located
from framework.engine.life import resources_of, retry_of, timeouts_of
from framework.engine.request import RunRequest
from framework.errors import FrameworkError, ParameterError, UsageError
from framework.models import Function
from framework.runtimes import Submission
from framework_run.numbers import encode
from framework_run.uid import new_uid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from framework.engine.secrets import Guard
    from framework.engine.session import Session
    from framework.sources import Loaded

__all__ = ["Planned", "RunRequest", "plan"]

_INLINE = {"target": "framework_run.inlinestore:Store", "options": {}}
_GRACE = 10.0  # seconds between asking a run to end and ending it


@define(kw_only=True)
class Planned:
    """A run that can be started.

    Args:
        run: Its document.
        submission: What its runner reads.
        function: The function, with its version.
        loaded: Its code.
        request: What was asked for.
        capture: What is found of the submitting side.
        guard: Keeps the values of its secrets out of documents; None where it has none.
        told: The notifications of its project.
    """

    run: Document
    submission: Submission
    function: Function
    loaded: Loaded
    request: RunRequest
    capture: Capture
    guard: Guard | None = None
    told: list[dict[str, Any]] = Factory(list)


def plan(session: Session, request: RunRequest) -> Planned:
    """Plan a run.

    Raises:
        UsageError: The request cannot be planned; the error says why and how to mend it.
    """
    loaded = _load(session, request)
    _resolve(session, request, loaded)
    guard = secrets.guard(session, as_run(session, request, loaded).spec.environment.secrets)
    try:
        return _planned(session, request, loaded, guard)
    except FrameworkError as error:
        if guard is not None:
            guard.mask(error)
        raise


def resolved(session: Session, request: RunRequest) -> Function:
    """The function of a request, with its spec as it holds for a run: project defaults and overrides are merged.

    It is looked at before a run, to build its image or to ask a backend; no secret of it is read.

    Raises:
        UsageError: It cannot be found or read.
    """
    loaded = _load(session, request)
    _resolve(session, request, loaded)
    return as_run(session, request, loaded)


def as_run(session: Session, request: RunRequest, loaded: Loaded) -> Function:
    """The function as it runs where its kind has it run: with the defaults of that under its spec."""
    if request.inline or loaded.function.kind not in session.plugins.runtimes():
        return loaded.function  # of a kind that is not there, whoever needs its runtime says so
    return under(session.runtime(loaded.function.kind).defaults, loaded.function, loaded.written)


def in_its_image(session: Session, function: Function) -> Function:
    """A function as its runtime is to see it: with the image that is built for it, where its kind runs in images.

    Raises:
        UsageError: It has to be built, and there is no registry.
    """
    environment = function.spec.environment
    if not (environment.commands or environment.build_requirements or environment.base_image):
        return function
    if _shares_files(session, function.kind):
        return function
    from framework.engine.images import image_of

    needs = attrs.evolve(environment, image=image_of(session, function))
    return attrs.evolve(function, spec=attrs.evolve(function.spec, environment=needs))


def _planned(session: Session, request: RunRequest, loaded: Loaded, guard: Guard | None) -> Planned:
    capture = begin(loaded, masker=guard.masker if guard else None)
    function = loaded.function
    if guard is not None:
        guard.clear_function(loaded)
    _name_version(session, function)
    here = as_run(session, request, loaded)
    check_params(request, function)
    far = bool(request.inputs) and not _shares_files(session, function.kind)
    inputs = located(session, request, far=far)
    told = notifications.wanted(session, _of_project(session, function).get("notifications", ()))
    request.notifications = [*told, *_notifications(session, request, guard)]
    request.artifact_path = _artifact_path(session, request, function) or _artifact_path(session, request, here)
    run = run_document(request, here, capture, guard, loaded.args)
    _note_inputs(session, run, inputs)
    note_key(run, request, function)
    document = _submission(session, request, loaded, here, run=run, inputs=inputs)
    if guard is not None:
        document["params"] = encode(request.params)
        document["env"] = guard.variables(document["env"])
        document["secrets"] = secrets.references(session, here.spec.environment.secrets)
    as_sent = _with_resources(here, document["resources"]) if request.resources else here
    as_sent = _with_python(as_sent, request.python) if request.python else as_sent
    as_sent = _with_image(session, as_sent, run)
    submission = Submission(
        document=document,
        function=as_sent,
        callable=request.function,
        archive=loaded.archive,
        storage=_storage_here(session, run, document),
    )
    if not request.inline:
        session.runtime(function.kind).validate(as_sent)
    return Planned(
        run=run,
        submission=submission,
        function=function,
        loaded=loaded,
        request=request,
        capture=capture,
        guard=guard,
        told=told,
    )


def _notifications(session: Session, request: RunRequest, guard: Guard | None) -> list[dict[str, Any]]:
    """Those that the request asks for, checked; no address holds the value of a secret."""
    given = request.notifications
    return notifications.wanted(session, given if guard is None else map(guard.clear_address, given))


def _with_resources(function: Function, resources: dict[str, dict[str, Any]]) -> Function:
    """The function as its runtime is to see it for this run; its version stays what it is."""
    from framework.models.function import Resources

    return attrs.evolve(function, spec=attrs.evolve(function.spec, resources=Resources(**resources)))


def _with_python(function: Function, minor: str) -> Function:
    """Likewise, with the version of Python that this run is to have."""
    needs = attrs.evolve(function.spec.environment, python=f"=={minor}.*")
    return attrs.evolve(function, spec=attrs.evolve(function.spec, environment=needs))


def _with_image(session: Session, function: Function, run: Document) -> Function:
    """The function in its image; the run notes which."""
    found = in_its_image(session, function)
    if found is not function:
        run["spec"]["image"] = found.spec.environment.image
    return found


def replan(session: Session, base: Planned, request: RunRequest) -> Planned:
    """A plan for the same live function, with other parameters: the code is not looked at again.

    The parameters are bound by who calls the function.
    """
    inputs = located(session, request)
    if request.notifications or base.told:
        request.notifications = [*base.told, *_notifications(session, request, base.guard)]
    request.artifact_path = request.artifact_path or base.request.artifact_path
    run = run_document(request, base.function, base.capture, base.guard)
    _note_inputs(session, run, inputs)
    note_key(run, request, base.function)
    document = base.submission.document
    document = {
        **document,
        "run": {**document["run"], "uid": run["metadata"]["uid"], "name": run["metadata"]["name"]},
        "params": run["spec"]["params"],
        "inputs": inputs,
        "returns": request.returns,
        "labels": request.labels,
        "token": "",
        "record": run,
    }
    submission = Submission(document=document, function=base.function, callable=request.function)
    return Planned(
        run=run,
        submission=submission,
        function=base.function,
        loaded=base.loaded,
        request=request,
        capture=base.capture,
        guard=base.guard,
        told=base.told,
    )


def _load(session: Session, request: RunRequest) -> Loaded:
    from framework import sources

    if request.target.startswith("db://"):
        from framework.engine.stored import load_stored

        return load_stored(session, request.target).take(request.command)
    if request.function is not None:
        return sources.from_callable(request.function, inline=request.inline).take(request.command)
    if request.target:
        words = request.command or None
        return sources.from_path(request.target, handler=request.handler or None, command_args=words)
    return sources.from_command(request.command)


def _resolve(session: Session, request: RunRequest, loaded: Loaded) -> None:
    """Kind, project and spec as they hold for this run."""
    from framework.uris import check_name

    function = loaded.function
    if request.kind and request.kind != function.kind:
        function.kind, function.spec.options = request.kind, {}  # which are the other kind's own
        loaded.written = {name: part for name, part in loaded.written.items() if name != "options"}
    function.metadata.project = check_name(request.project or session.settings.project, "a project")
    check_name(function.metadata.name, "a function")
    defaults = {} if _is_one_version(request.target) else _of_project(session, function).get("defaults", {})
    if request.overrides or defaults:
        _merge_spec(loaded, defaults, request.overrides)


def _name_version(session: Session, function: Function) -> None:
    from framework.documents.identity import normal_options, version_of

    options_class = session.plugins.options_class(function.kind)
    function.spec.options = normal_options(function, options_class)
    function.status.version = version_of(function, options_class)


def _is_one_version(target: str) -> bool:
    """Whether a target names a version by its hash: then it is run as it is, whatever has become of its project."""
    return target.startswith("db://") and "@sha256:" in target


def _of_project(session: Session, function: Function) -> dict[str, Any]:
    """The spec of a function's project."""
    found: dict[str, Any] = session.database.project(function.metadata.project).get("spec", {})
    return found


def _merge_spec(loaded: Loaded, defaults: dict[str, Any], overrides: dict[str, Any]) -> None:
    """What was written for the function or the run stands, also where it is what holds anyway."""
    from framework.documents.converters import dump, structure
    from framework.documents.merging import merged
    from framework.models import FunctionSpec

    spec = merged(merged(defaults, dump(loaded.function.spec, loaded.written)), overrides)
    loaded.function.spec = structure(spec, FunctionSpec, source="the spec", at="$.spec")
    loaded.written = merged(loaded.written, overrides)


def check_params(request: RunRequest, function: Function) -> None:
    """Check parameters against the signature, as far as the code alone tells it.

    Raises:
        ParameterError: They do not bind.
    """
    from framework_run.binding import check
    from framework_run.errors import BindingError

    handler = function.spec.code.handler
    if function.spec.code.command:
        if request.params:
            raise ParameterError(
                f"a script takes no parameter {next(iter(request.params))!r}",
                advice="Give its arguments behind --, or name a function: file.py:function.",
            )
        return
    entry = next((point for point in function.status.entry_points if point.name == handler), None)
    if entry is None:
        return
    known = [attrs.asdict(item) for item in entry.parameters]
    try:
        check(known, request.params, request.raw, handler, request.inputs)
    except BindingError as error:
        raise ParameterError(str(error), advice="Give the parameters as the signature says.") from None


def run_document(
    request: RunRequest,
    function: Function,
    capture: Capture,
    guard: Guard | None = None,
    args: Sequence[str] = (),
) -> Document:
    """The run's document as it begins.

    Args:
        request: What is asked for; of a run apart, placeholders are put in place of values of secrets.
        function: With its version.
        capture: What is found of the submitting side.
        guard: Keeps the values of secrets out of it.
        args: What a script or command is given.
    """
    if guard is not None and not request.inline:
        guard.clear_request(request)
    metadata, code = function.metadata, function.spec.code
    spec: Document = {
        "kind": function.kind,
        "function": f"db://{metadata.project}/{metadata.name}@{function.status.version}",
        "params": encode(request.params),
    }
    optional = {
        "handler": code.handler,
        "command": code.command,
        "args": list(args),
        "raw": request.raw,
        "inputs": request.inputs,
        "returns": request.returns,
        "artifact_path": request.artifact_path,
        "timeouts": _timeouts(request, function),
        "resources": request.resources,
        "retry": retry_of(request, function),
        "notifications": [] if request.parent else request.notifications,
        "python": request.python,
        "packages": request.packages,
        "replays": request.replays,
        "parent": request.parent,
    }
    spec.update({name: value for name, value in optional.items() if value})
    now = time.time()
    run: Document = {
        "metadata": {
            "uid": new_uid(),
            "name": request.name or metadata.name,
            "project": metadata.project,
            **({"labels": request.labels} if request.labels else {}),
        },
        "spec": spec,
        "status": {"state": "created", "created": now, "environment": capture.facts()},
    }
    return run if guard is None else guard.document(run)


def _note_inputs(session: Session, run: Document, inputs: Located) -> None:
    """Note in a run's document what its inputs hold."""
    if inputs:
        run["spec"]["input_contents"] = contents(session.home, inputs)


def _timeouts(request: RunRequest, function: Function) -> dict[str, float]:
    """The run's own limits of time, and its function's for the time in which nothing but the record may be there."""
    pending = function.spec.life.timeouts.pending
    return request.timeouts if pending is None else {"pending": pending, **request.timeouts}


def _submission(  # noqa: PLR0913  what it is made of
    session: Session, request: RunRequest, loaded: Loaded, function: Function, *, run: Document, inputs: dict[str, Any]
) -> dict[str, Any]:
    metadata = run["metadata"]
    code, limits = function.spec.code, timeouts_of(request, function)
    document: dict[str, Any] = {
        "version": 1,
        "run": {"uid": metadata["uid"], "name": metadata["name"], "project": metadata["project"], "iteration": 0},
        "function": {"name": function.metadata.name, "kind": function.kind, "version": function.status.version},
        "code": {
            "folder": str(loaded.root) if loaded.root else None,
            "archive": None if loaded.root or not code.files else base64.b64encode(loaded.archive()).decode(),
            "module": code.module,
            "file": main_file(function),
            "handler": code.handler or None,
            "command": [*code.command, *loaded.args] or None,
        },
        "params": run["spec"]["params"],
        "raw": request.raw,
        "inputs": inputs,
        "returns": request.returns,
        "env": _environment_variables(function, Path(request.folder)),
        "workdir": _workdir(session, request, function),
        "requirements": _requirements(session, request, function),
        "packages": run["status"]["environment"]["packages"],
        "labels": metadata.get("labels", {}),
        "artifacts": {"storage": _store(session, run, function.kind)},
        "wrappers": [],
        "token": token_hex(8),
        "heartbeat": None,
        "timeouts": {**limits, "grace": _GRACE if limits["grace"] is None else limits["grace"]},
        "resources": resources_of(request, function),
        "record": run,
    }
    document["run"].update(attempt=1, rank=0)
    return document


def _requirements(session: Session, request: RunRequest, function: Function) -> list[str]:
    """What is installed for the run: what its function needs, or all that an earlier run had."""
    if not request.packages:
        return function.spec.environment.requirements
    from framework.engine.packages import recorded_requirements

    return recorded_requirements(session.database, request.packages)


def main_file(function: Function) -> str | None:
    """The file of the handler's module, relative to the code's folder."""
    base = function.spec.code.module.replace(".", "/")
    names = (f"{base}.py", f"{base}/__init__.py")
    return next((name for name in names if name in function.spec.code.files), None)


def _artifact_path(session: Session, request: RunRequest, function: Function) -> str:
    """Where the artifacts of the run go, whole, so that it means the same wherever the run is collected.

    It is as asked for, else as the function says, else as its project does.
    """
    place = request.artifact_path or function.spec.storage.artifact_path
    if not place and not _is_one_version(request.target):
        place = _of_project(session, function).get("artifact_path", "")
    return whole_path(place, request.folder)


def whole_path(place: str, folder: str) -> str:
    """A URL as it is, and a path from a folder as one from the root."""
    if not place or "://" in place:
        return place
    return str((Path(folder) / Path(place).expanduser()).absolute())


def _store(session: Session, run: Document, kind: str) -> dict[str, Any]:
    """How the run side keeps artifacts: in the storage, or where it cannot reach that, in its events."""
    storage = session.storage_at(run["spec"].get("artifact_path", ""))
    return storage.runner() if storage.remote or _shares_files(session, kind) else dict(_INLINE)


def _storage_here(session: Session, run: Document, document: dict[str, Any]) -> dict[str, Any] | None:
    """How artifacts are kept by a run that is on this machine after all; None where nothing else is planned."""
    if document["artifacts"]["storage"] != _INLINE:
        return None
    return session.storage_at(run["spec"].get("artifact_path", "")).runner()


def _shares_files(session: Session, kind: str) -> bool:
    registered = session.plugins.runtimes().get(kind)
    return registered is not None and "process" in registered.item.capabilities


def _workdir(session: Session, request: RunRequest, function: Function) -> str | None:
    """Where the run works; None for where it is started, or for what the kind has for it."""
    named = function.spec.code.workdir
    if named:
        return str((Path(request.folder) / named).absolute())
    usable = request.folder and _shares_files(session, function.kind) and Path(request.folder).is_dir()
    return request.folder if usable else None


def _environment_variables(function: Function, folder: Path) -> dict[str, str]:
    needs = function.spec.environment
    variables: dict[str, str] = {}
    if needs.env_from_file:
        path = folder / needs.env_from_file
        if not path.is_file():
            raise UsageError(f"spec.environment.env_from_file is {str(path)!r}, which is not there", advice="Check it.")
        for line in path.read_text(encoding="utf-8").splitlines():
            name, equals, value = line.strip().removeprefix("export ").partition("=")
            if equals and not name.startswith("#"):
                variables[name.strip()] = value.strip().strip("\"'")
    return {**variables, **needs.env}
