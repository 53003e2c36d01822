"""``python -m AgentRegistrationLib``: registration by an agent from the command line, without Slicer."""

from __future__ import annotations

import sys

from .command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
