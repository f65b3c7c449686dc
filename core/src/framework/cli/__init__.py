"""The command line: click commands behind a static table, so that help costs no import of a command."""
