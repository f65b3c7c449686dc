from __future__ import annotations

import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from framework.errors import DatabaseError, PluginError, UnknownKind, UsageError
from framework.plugins.hookspecs import hookimpl
from framework.plugins.manager import Plugins
from framework.plugins.registrations import DatabaseScheme, NoOptions, RuntimeKind, StorageScheme

RUNTIME = """
@hookimpl
def framework_runtimes():
    runtime = "framework_{package}.runtime:Runtime"
    return [RuntimeKind(name={kind!r}, summary="A kind", runtime=runtime, options={options!r})]
"""


def _runtime(site, name: str, kind: str, options: str = "", **more):
    package = name.replace("-", "_")
    return site.install(name, RUNTIME.format(kind=kind, package=package, options=options), **more)


def _row(plugins: Plugins, name: str):
    (row,) = [row for row in plugins.report() if row.name == name]
    return row


def test_nothing_is_imported_before_something_is_looked_up(site) -> None:
    _runtime(site, "runtime-acme", "acme")
    plugins = Plugins()
    assert "framework_runtime_acme" not in sys.modules
    assert plugins.runtimes()["acme"].plugin == "runtime-acme"
    assert "framework_runtime_acme.plugin" in sys.modules


def test_the_report_says_where_a_plugin_comes_from_and_what_it_brings(site) -> None:
    file = _runtime(site, "runtime-acme", "acme", version="0.7")
    row = _row(Plugins(), "runtime-acme")
    assert (row.state, row.reason) == ("loaded", "")
    assert (row.distribution, row.version) == ("framework-runtime-acme", "0.7")
    assert (row.module, row.file) == ("framework_runtime_acme.plugin", str(file))
    assert row.registers == ["runtime acme"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_library_of_anyone", "ModuleNotFoundError: No module named 'no_such_library_of_anyone'"),
        ("raise ValueError('line one\\nline two')", "ValueError: line one line two ("),
        ("def broken(:", "SyntaxError"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("@hookimpl\ndef framework_runtimes(surprise): ...", "surprise"),
        ("@hookimpl\ndef framework_runtime(): ...", "no hook 'framework_runtime'; did you mean 'framework_runtimes'?"),
        ("@hookimpl\ndef framework_runtimes(): raise OSError('no')", "framework_runtimes: OSError: no"),
        ("@hookimpl\ndef framework_runtimes(): return ['acme']", "returns a str where a RuntimeKind is wanted"),
        ("@hookimpl\ndef framework_runtimes(): return None", "framework_runtimes: TypeError"),
    ],
)
def test_a_plugin_that_fails_is_a_row_with_its_reason_and_the_rest_work(site, source: str, reason: str) -> None:
    site.install("runtime-broken", source)
    _runtime(site, "runtime-acme", "acme")
    plugins = Plugins()
    row = _row(plugins, "runtime-broken")
    assert row.state == "failed"
    assert reason in row.reason
    assert "\n" not in row.reason
    assert row.registers == []
    assert "acme" in plugins.runtimes()
    assert _row(plugins, "runtime-acme").state == "loaded"


def test_the_reason_of_a_failure_says_in_which_line_of_the_plugin_it_is(site) -> None:
    file = site.install("runtime-broken", "\n\n1 / 0")
    assert f"({file}:5)" in _row(Plugins(), "runtime-broken").reason


def test_an_interrupt_while_a_plugin_loads_is_the_users(site) -> None:
    site.install("runtime-slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Plugins().load()


def test_a_plugin_for_another_core_is_not_even_imported(site) -> None:
    site.install("runtime-old", "raise AssertionError", requires="framework-core>=7,<8")
    row = _row(Plugins(), "runtime-old")
    assert row.state == "incompatible"
    assert "needs framework-core >=7,<8, and 0." in row.reason
    assert "framework_runtime_old" not in sys.modules


def test_a_hook_of_a_newer_core_may_be_marked_optional(site) -> None:
    site.install("runtime-new", "@hookimpl(optionalhook=True)\ndef framework_dreams(): ...")
    assert _row(Plugins(), "runtime-new").state == "loaded"


def test_the_environment_names_exactly_the_plugins_that_are_loaded(site, monkeypatch) -> None:
    _runtime(site, "runtime-acme", "acme")
    site.install("runtime-other", "raise AssertionError")
    monkeypatch.setenv("FRAMEWORK_PLUGINS", "runtime-acme, ")
    plugins = Plugins()
    assert list(plugins.runtimes()) == ["acme"]
    assert _row(plugins, "runtime-other").state == "blocked"
    assert "framework_runtime_other" not in sys.modules


def test_an_empty_list_blocks_every_plugin(site, monkeypatch) -> None:
    _runtime(site, "runtime-acme", "acme")
    monkeypatch.setenv("FRAMEWORK_PLUGINS", "")
    plugins = Plugins()
    assert {row.state for row in plugins.report()} == {"blocked"}
    with pytest.raises(
        UnknownKind, match=r"Unknown kind 'acme' \(installed: none\); the plugin runtime-acme is blocked"
    ):
        plugins.runtime("acme", None)


def test_a_name_in_the_list_that_is_not_installed_is_a_row(monkeypatch) -> None:
    monkeypatch.setenv("FRAMEWORK_PLUGINS", "runtime-nowhere")
    row = _row(Plugins(), "runtime-nowhere")
    assert (row.state, row.reason) == ("failed", "FRAMEWORK_PLUGINS names it; it is not installed")


def test_what_the_caller_allows_goes_before_the_environment(site, monkeypatch) -> None:
    _runtime(site, "runtime-acme", "acme")
    monkeypatch.setenv("FRAMEWORK_PLUGINS", "")
    assert list(Plugins(allowed=["runtime-acme"]).runtimes()) == ["acme"]


def test_a_kind_that_two_plugins_register_belongs_to_neither_and_the_rest_work(site) -> None:
    _runtime(site, "runtime-one", "acme")
    site.install(
        "runtime-two",
        """
        @hookimpl
        def framework_runtimes():
            return [RuntimeKind(name=name, summary="", runtime="x:Y") for name in ("acme", "extra")]
        """,
    )
    plugins = Plugins()
    assert {"extra"} == set(plugins.runtimes()) & {"acme", "extra"}
    for name in ("runtime-one", "runtime-two"):
        row = _row(plugins, name)
        assert row.state == "failed"
        assert "kind 'acme' is registered by runtime-one and runtime-two" in row.reason
    assert _row(plugins, "runtime-two").registers == ["runtime extra"]
    for look_up in (lambda: plugins.runtime("acme", None), lambda: plugins.options_class("acme")):
        with pytest.raises(PluginError, match="runtime-one, runtime-two") as caught:
            look_up()
        assert "FRAMEWORK_PLUGINS" in caught.value.advice


def test_one_of_two_plugins_of_a_kind_is_picked_by_name(site, monkeypatch) -> None:
    _runtime(site, "runtime-one", "acme")
    _runtime(site, "runtime-two", "acme")
    monkeypatch.setenv("FRAMEWORK_PLUGINS", "runtime-two")
    assert Plugins().runtimes()["acme"].plugin == "runtime-two"


def test_a_distribution_that_takes_the_name_of_another_gets_nothing(site) -> None:
    """Whoever is called framework-runtime-acme owns the name runtime-acme, wherever it stands in the alphabet."""
    _runtime(site, "runtime-acme", "acme")
    site.install("aaa", "raise AssertionError")
    about = site.folder / "framework_aaa-0.1.0.dist-info" / "entry_points.txt"
    about.write_text("[framework]\nruntime-acme = framework_aaa.plugin\n")
    plugins = Plugins()
    assert plugins.runtimes()["acme"].item.runtime == "framework_runtime_acme.runtime:Runtime"
    rows = {row.distribution: row for row in plugins.report() if row.name == "runtime-acme"}
    assert rows["framework-runtime-acme"].state == "loaded"
    assert rows["framework-aaa"].state == "failed"
    assert "as that of framework-runtime-acme" in rows["framework-aaa"].reason
    assert rows["framework-aaa"].registers == []


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("nuclio", "Try: pip install framework-runtime-nuclio"),
        ("acm", "Did you mean 'acme'?"),
        ("x; rm -rf ~", "See: framework plugins"),
    ],
)
def test_a_missing_kind_says_what_there_is_and_what_to_install(site, monkeypatch, kind: str, advice: str) -> None:
    _runtime(site, "runtime-acme", "acme")
    monkeypatch.setenv("FRAMEWORK_PLUGINS", "runtime-acme")
    with pytest.raises(UnknownKind) as caught:
        Plugins().runtime(kind, None)
    assert caught.value.message == f"Unknown kind {kind!r} (installed: acme)"
    assert caught.value.advice == advice


@pytest.mark.parametrize(
    ("look_up", "message", "advice"),
    [
        (lambda it: it.database("sqlite:///x"), "Unknown database scheme 'sqlite'", "pip install framework-db-sql"),
        (lambda it: it.database("http://x"), "Unknown database scheme 'http'", "pip install framework-db-http"),
        (lambda it: it.storage("file:///x"), "Unknown storage scheme 'file'", "pip install framework-storage-file"),
        (lambda it: it.runside("s3://x"), "Unknown storage scheme 's3'", "pip install framework-storage-s3"),
    ],
)
def test_a_missing_scheme_says_what_to_install(site, monkeypatch, look_up, message: str, advice: str) -> None:
    plugins = Plugins(allowed=())
    monkeypatch.setattr(sys, "path", [str(site.folder)])  # nothing is installed there
    with pytest.raises(UnknownKind) as caught:
        look_up(plugins)
    assert caught.value.message == f"{message} (installed: none)"
    assert caught.value.advice == f"Try: {advice}"


@pytest.mark.parametrize("url", ["", "runs.db", "/folder", "://x"])
def test_what_is_no_url_is_said_to_be_none(url: str) -> None:
    with pytest.raises(UsageError, match="is no URL of a database"):
        Plugins(allowed=()).database(url)


def test_a_missing_kind_whose_plugin_failed_says_why_it_failed(site) -> None:
    site.install("runtime-acme", "import no_such_library_of_anyone")
    with pytest.raises(UnknownKind, match="runtime-acme is failed: ModuleNotFoundError"):
        Plugins().runtime("acme", None)


class _Storage:
    """No storage at all."""


class _Raising:
    error: type[Exception] = RuntimeError

    def __init__(self, _argument: object) -> None:
        raise self.error("it broke")


def _plugin(**registrations):
    """A plugin made of what its hooks return, as a program that embeds the framework registers it."""
    hooks = {
        name: hookimpl(specname=f"framework_{name}")(lambda items=items: items) for name, items in registrations.items()
    }
    return SimpleNamespace(**{f"framework_{name}": function for name, function in hooks.items()})


def test_a_program_may_register_a_plugin_of_its_own() -> None:
    plugins = Plugins(allowed=())
    plugins.register(_plugin(storages=[StorageScheme(scheme="mem", target="x:Y", runside="mem.runside")]), "mine")
    assert plugins.storages()["mem"].plugin == "mine"
    assert plugins.runside("mem://") == "mem"
    row = _row(plugins, "mine")
    assert (row.state, row.distribution, row.registers) == ("loaded", "", ["storage mem"])


def test_a_plugin_that_is_registered_after_a_look_up_is_found() -> None:
    plugins = Plugins(allowed=())
    assert plugins.runtimes() == {}
    plugins.register(_plugin(runtimes=[RuntimeKind(name="mine", summary="", runtime="x:Y")]), "mine")
    assert list(plugins.runtimes()) == ["mine"]


def test_registering_one_plugin_twice_is_refused() -> None:
    plugins = Plugins(allowed=())
    plugin = _plugin(runtimes=[])
    plugins.register(plugin, "mine")
    with pytest.raises(PluginError, match="'mine' cannot be registered"):
        plugins.register(plugin, "mine")
    assert _row(plugins, "mine").state == "loaded"


def test_a_module_is_called_by_its_name() -> None:
    plugins = Plugins(allowed=())
    plugins.register(sys.modules[__name__])
    assert [row.name for row in plugins.report() if row.state == "loaded"] == [__name__]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("no_such_module_of_anyone:Cls", "ModuleNotFoundError"),
        ("json:Nothing", "AttributeError"),
        ("json:loads", "it is no framework.storages.Storage"),
        (f"{__name__}:_Storage", "it is no framework.storages.Storage"),
    ],
)
def test_a_target_that_does_not_work_is_an_error_that_names_the_plugin(target: str, reason: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or SimpleNamespace(_Storage=_Storage))
    plugins = Plugins(allowed=())
    plugins.register(_plugin(storages=[StorageScheme(scheme="mem", target=target)]), "mine")
    with pytest.raises(PluginError) as caught:
        plugins.storage("mem://")
    assert f"{target!r} of the plugin mine cannot be used: {reason}" in caught.value.message


@pytest.mark.parametrize(("raised", "expected"), [(RuntimeError, PluginError), (DatabaseError, DatabaseError)])
def test_what_a_class_raises_on_purpose_goes_through_and_the_rest_names_the_plugin(
    monkeypatch, raised, expected
) -> None:
    from framework import databases

    raising = type("Raising", (_Raising, databases.Database), {"error": raised, "__abstractmethods__": frozenset()})
    raising.__abstractmethods__ = frozenset()
    module = SimpleNamespace(Raising=raising)
    monkeypatch.setitem(sys.modules, "made_for_this_test", module)
    plugins = Plugins(allowed=())
    plugins.register(_plugin(databases=[DatabaseScheme(scheme="x", target="made_for_this_test:Raising")]), "mine")
    with pytest.raises(expected, match="it broke"):
        plugins.database("x://")


def test_the_options_of_a_kind_are_imported_when_they_are_asked_for(site) -> None:
    file = _runtime(site, "runtime-acme", "acme", options="framework_runtime_acme.options:Options")
    (file.parent / "options.py").write_text("class Options:\n    pass\n")
    plugins = Plugins()
    assert plugins.runtimes()["acme"]
    assert "framework_runtime_acme.options" not in sys.modules
    assert plugins.options_class("acme").__name__ == "Options"
    assert plugins.options_class("nowhere") is None


def test_a_kind_that_registers_no_options_has_none(site) -> None:
    _runtime(site, "runtime-acme", "acme")
    assert Plugins().options_class("acme") is NoOptions


def test_threads_that_look_up_at_once_all_see_every_plugin(site) -> None:
    site.install(
        "runtime-acme", "import time; time.sleep(0.05)\n" + RUNTIME.format(kind="acme", package="x", options="")
    )
    plugins = Plugins()
    seen: list[bool] = []
    threads = [threading.Thread(target=lambda: seen.append("acme" in plugins.runtimes())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 8


def test_twelve_plugins_import_nothing_beyond_themselves(site) -> None:
    for number in range(12):
        _runtime(site, f"runtime-many{number}", f"many{number}")
    source = (
        "import sys; from framework.plugins.manager import Plugins; plugins = Plugins();"
        "assert sum(name.startswith('many') for name in plugins.runtimes()) == 12;"
        "print(sorted({'framework.models', 'framework.runtimes', 'cattrs', 'click', 'yaml'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(site.folder)}
    ended = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, env=environment)
    assert ended.stdout.strip() == "[]"
