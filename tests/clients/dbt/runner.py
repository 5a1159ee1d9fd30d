"""dbt's command line, imported once: that is most of the time of a dbt command.

In, on each line of stdin: JSON of a file for the output and the arguments of dbt. Out, on a line
of stdout: "success" or "failure".
"""

import json
import os
import sys

from dbt.cli.main import dbtRunner

answers = os.fdopen(os.dup(1), "w")
for line in sys.stdin:
    output, arguments = json.loads(line)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.close(file)
    result = dbtRunner().invoke(arguments)
    print(result.exception or "")
    sys.stdout.flush()
    print("success" if result.success else "failure", file=answers, flush=True)
