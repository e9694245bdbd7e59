"""The command line, one module for each command or a few that belong together."""
