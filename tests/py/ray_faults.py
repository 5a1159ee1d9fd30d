"""A query on Ray, and a fault at the right moment of it.

In: a server on Ray, its nodes, a fault. Out: what the client got, what it was told, how long it took,
and proof that the fault hit the query.
"""

import dataclasses
import threading
import time

import psycopg

import staged

# Rows of a join that goes by hash between all nodes, megabytes from each to each.
JOIN = ("SELECT l_returnflag, count(*), sum(o_totalprice), min(o_comment), max(l_comment)"
        " FROM lineitem JOIN orders ON l_orderkey = o_orderkey GROUP BY 1 ORDER BY 1")
# Hours of computing.
LONG = ("SELECT count(*) FROM lineitem a, lineitem b, lineitem c"
        " WHERE a.l_tax + b.l_tax < c.l_tax")


@dataclasses.dataclass
class Outcome:
    """What became of a query."""

    rows: list | None = None
    error: psycopg.Error | None = None
    notices: list = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    attempts: list = dataclasses.field(default_factory=list)

    def ran_again(self):
        """Attempts after the first at any task."""
        return [attempt for attempt in self.attempts if attempt[2] > 1]


def connect(server, runner="ray"):
    """A session whose queries run on Ray, joins by hash on both sides."""
    return staged.on_ray(server, **{"mobula.runner": runner, "mobula.broadcast_bytes": 0})


class Asked:
    """A query that runs in a thread of its own, while the test looks at it through `mobula.tasks`."""

    def __init__(self, server, sql=JOIN):
        self.client, self.look = connect(server), connect(server, "local")
        self.sql, self.outcome = sql, Outcome()
        told = self.outcome.notices
        self.client.add_notice_handler(lambda notice: told.append(notice.message_primary))
        self.last = self.look.execute("SELECT max(query_id) FROM mobula.queries").fetchone()[0]
        self.began = time.monotonic()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            self.outcome.rows = self.client.execute(self.sql).fetchall()
        except psycopg.Error as error:
            self.outcome.error = error
        self.outcome.seconds = time.monotonic() - self.began

    def attempts(self):
        """Stage, task, attempt, state, node, bytes out."""
        return self.look.execute(
            "SELECT stage, task, attempt, tasks.state, node, bytes_out FROM mobula.tasks AS tasks"
            " JOIN mobula.queries USING (query_id) WHERE tasks.query_id > %s AND runner = 'ray'",
            [self.last]).fetchall()

    def runs(self):
        return self.thread.is_alive()

    def node_with_outputs(self, bytes_min=100_000):
        """A node that has outputs while the query runs; none when the query ended before."""
        while self.runs():
            for _, _, _, state, node, size in self.attempts():
                if state == "done" and size and size > bytes_min:
                    return node
        return None

    def until_tasks_run(self):
        """Waits until tasks were given to Ray; false when the query ended before."""
        while self.runs():
            if self.attempts():
                return True
        return False

    def end(self, deadline_s):
        """What became of it. It must end in time."""
        self.thread.join(deadline_s)
        assert not self.runs(), f"the query hangs: {self.attempts()}, {self.outcome.notices}"
        self.outcome.attempts = self.attempts()
        self.client.close()
        self.look.close()
        return self.outcome
