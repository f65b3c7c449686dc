"""``python -I ARCHIVE SUBMISSION.json``: runs a submission, under a supervisor."""

import sys

from framework_run.supervisor import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
