"""The table of commands: where each is, and its one line of help.

Help and ``--version`` read this table alone; a command's module is imported when the command is used.
A test holds each line against the command's own help.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Entry(NamedTuple):
    """One command or group.

    Args:
        help: One line for the list of commands.
        target: ``module:object`` below `framework.cli`; empty for a group.
        section: The heading that it is listed under.
        default: The command that a group alone stands for.
    """

    help: str
    target: str = ""
    section: str = "Commands"
    default: str = ""


_DO: Final = "Run and watch"
_EXPLAIN: Final = "Explain and repeat"
_LOOK: Final = "What is kept"
_SETUP: Final = "This installation"

ROOT: Final[dict[str, Entry]] = {
    "run": Entry("Run a function, a script or a command, and track it.", "run.command:run", _DO),
    "logs": Entry("Print the output of runs (as `runs logs`).", "runs.logs:logs", _DO),
    "abort": Entry("Ask runs to end, and end them if they do not.", "abort:abort", _DO),
    "why": Entry("Explain why a version or a run is another one.", "explain.why:why", _EXPLAIN),
    "diff": Entry("Show what differs between two runs or versions.", "explain.diff:diff", _EXPLAIN),
    "replay": Entry(
        "Run a recorded run again: its code, packages, parameters and inputs.", "explain.replay:replay", _EXPLAIN
    ),
    "runs": Entry("Look at runs: list, show, watch, logs, compare, patch, delete, sync.", section=_LOOK),
    "function": Entry("Look at functions: versions, tags, differences; build their images.", section=_LOOK),
    "artifacts": Entry("Look at what runs have made, and fetch it.", section=_LOOK),
    "project": Entry("Look at projects, and create them.", section=_LOOK),
    "db": Entry("Look after databases: merge, export, check, vacuum, backup.", section=_LOOK),
    "plugins": Entry("List the plugins, and why one does not work.", "plugins:plugins", _SETUP),
    "config": Entry("Show the settings and where each comes from; set them.", section=_SETUP, default="show"),
    "doctor": Entry("Check this installation, and say how to mend it.", "doctor:doctor", _SETUP),
    "completion": Entry("Print the completion script of a shell.", "completion:completion", _SETUP),
    "version": Entry("Show the versions of framework, Python and the plugins.", "version:version", _SETUP),
}

GROUPS: Final[dict[str, dict[str, Entry]]] = {
    "runs": {
        "list": Entry("List runs, the newest first.", "runs.list:list_runs"),
        "show": Entry("Show everything that is known of a run.", "runs.show:show"),
        "watch": Entry("Show runs while they run.", "runs.watch:watch"),
        "logs": Entry("Print the output of runs.", "runs.logs:logs"),
        "compare": Entry("Show runs side by side, and what differs.", "runs.compare:compare"),
        "patch": Entry("Print the uncommitted changes that a run was started with.", "runs.patch:patch"),
        "delete": Entry("Delete runs with their logs and metrics.", "runs.delete:delete"),
        "sync": Entry("Collect what unfinished runs have reported.", "runs.sync:sync"),
        "gc": Entry("Remove what ended runs have left at a backend.", "runs.gc:gc"),
    },
    "function": {
        "list": Entry("List functions.", "functions.list:list_functions"),
        "show": Entry("Show one version of a function.", "functions.show:show"),
        "history": Entry("List the versions of a function, the latest first.", "functions.history:history"),
        "diff": Entry("Show what differs between two versions.", "functions.diff:diff_"),
        "advise": Entry("Propose requests and limits from what runs have used.", "functions.advise:advise"),
        "tag": Entry("Give a version a name.", "functions.tag:tag"),
        "build": Entry("Build the image that a function needs, and push it.", "functions.build:build"),
        "export": Entry("Write a function as YAML.", "functions.documents:export"),
        "import": Entry("Read a function from YAML, and keep it.", "functions.documents:import_"),
        "delete": Entry("Delete a function, or one version of it.", "functions.delete:delete"),
    },
    "artifacts": {
        "list": Entry("List artifacts, the newest first.", "artifacts:list_artifacts"),
        "show": Entry("Show one artifact.", "artifacts:show"),
        "get": Entry("Copy the content of an artifact to a file.", "artifacts:get"),
    },
    "project": {
        "list": Entry("List projects.", "projects:list_projects"),
        "show": Entry("Show one project.", "projects:show"),
        "create": Entry("Create a project.", "projects:create"),
    },
    "db": {
        "merge": Entry("Bring what another database or an export has into a database.", "db.merge:merge"),
        "export": Entry("Write everything to one portable file, which `db merge` reads.", "db.export:export"),
        "check": Entry("Check that what is kept is whole, and say how to mend it.", "db.check:check"),
        "vacuum": Entry("Give back the room of what was deleted.", "db.vacuum:vacuum"),
        "backup": Entry("Copy a SQLite database to a file while others write to it.", "db.backup:backup"),
    },
    "config": {
        "show": Entry("Show every setting and where its value comes from.", "config:show"),
        "get": Entry("Print the value of one setting.", "config:get"),
        "set": Entry("Write one setting to the configuration file.", "config:set_"),
    },
}
