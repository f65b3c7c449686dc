"""``framework completion``."""

from __future__ import annotations

from typing import Final

import click

from framework.cli.output import note, say

_WHERE: Final = {
    "bash": 'eval "$(framework completion bash)"  in ~/.bashrc',
    "zsh": 'eval "$(framework completion zsh)"  in ~/.zshrc',
    "fish": "framework completion fish > ~/.config/fish/completions/framework.fish",
}


@click.command("completion")
@click.argument("shell", type=click.Choice(list(_WHERE)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        ctx.fail(f"click knows no completion for {shell}")
    root = ctx.find_root()
    say(kind(root.command, {}, "framework", "_FRAMEWORK_COMPLETE").source())
    note(f"Put it to use: {_WHERE[shell]}")
