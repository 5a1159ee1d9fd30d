"""Sessions whose queries run as stages of tasks. In: a server, a width. Out: a connection, and why a
query is not staged."""

# Tasks of a stage and partitions of a task.
WIDTHS = [(tasks, partitions) for tasks in (1, 3, 8) for partitions in (1, 4)]


def connect(server, width, **settings):
    """A connection of that width; none is one process."""
    connection = server.connect()
    if width:
        tasks, partitions = width
        settings = {"mobula.runner": "staged", "mobula.stage_tasks": tasks,
                    "mobula.task_partitions": partitions, **settings}
    for name, value in settings.items():
        connection.execute(f"SET {name} = '{value}'")
    return connection


def on_ray(server, **settings):
    """A connection whose queries run on Ray, however small they are."""
    return connect(server, None, **{"mobula.runner": "ray", "mobula.local_threshold": 0, **settings})


def why_local(connection, sql):
    """EXPLAIN's reason for running a query in one process, none when it is staged."""
    lines = [line for (line,) in connection.execute(f"EXPLAIN {sql}").fetchall()]
    return next((line for line in lines if line.startswith("Not staged: ")), None)
