"""pgAdmin 4 in desktop mode, and what its page asks its own server by REST.

In: the server to connect to, a folder for pgAdmin's state. Out: a running pgAdmin; the children
of a node of its tree; query tools. Knows nothing of what is right.
"""

import contextlib
import secrets

import requests
from psycopg.conninfo import conninfo_to_dict

import tools
import web
from process import free_port, wait_until


class PgAdmin(web.Program):
    """A running pgAdmin with one server in its list, connected."""

    def __init__(self, server, folder):
        self.key = secrets.token_hex(16)
        port = free_port()
        home = tools.bin_folder("pgadmin").parent
        super().__init__(
            [home / "bin" / "python", next(home.glob("lib/*/site-packages/pgadmin4/pgAdmin4.py"))],
            f"http://127.0.0.1:{port}", folder,
            {"PGADMIN_TEST_FOLDER": str(folder), "PGADMIN_INT_PORT": str(port),
             "PGADMIN_INT_KEY": self.key, "PYTHONPATH": str(tools.CLIENTS / "pgadmin")})
        self.database = conninfo_to_dict(server.uri)

    def __enter__(self):
        super().__enter__()
        self.http = requests.Session()
        self.http.get(f"{self.url}/", params={"key": self.key}, timeout=60).raise_for_status()
        script = self.http.get(f"{self.url}/browser/js/utils.js", timeout=60).text
        token = script.split("pgAdmin['csrf_token'] = '")[1].split("'")[0]
        self.http.headers["X-pgA-CSRFToken"] = token
        return self

    def ask(self, method, path, **options):
        """The JSON of an answer that must be a success."""
        answer = self.http.request(method, f"{self.url}{path}", timeout=120, **options)
        assert answer.ok, f"{answer.status_code} {answer.text}"
        return answer.json()

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def connect(self):
        """Adds the server and connects it; makes the ids of the tree known."""
        parts = self.database
        added = self.ask("POST", "/browser/server/obj/1/", json={
            "name": "tested", "host": parts["host"], "port": int(parts["port"]),
            "username": parts["user"], "db": parts["dbname"], "gid": 1, "connect_now": False,
            "connection_params": [{"name": "sslmode", "value": "prefer", "keyword": "sslmode"}]})
        self.sid = added["node"]["_id"]
        return self.ask("POST", f"/browser/server/connect/1/{self.sid}",
                        data={"password": parts["password"], "save_password": True})

    def nodes(self, kind, *ids):
        """{label: id} of the children that the tree shows, `ids` being the path to them."""
        path = "/".join(map(str, (1, self.sid, *ids)))
        rows = self.get(f"/browser/{kind}/nodes/{path}/")["data"]
        return {row["label"]: row["_id"] for row in rows}

    def properties(self, kind, *ids):
        path = "/".join(map(str, (1, self.sid, *ids)))
        return self.get(f"/browser/{kind}/obj/{path}")

    @contextlib.contextmanager
    def query_tool(self, server_cursor=False):
        """A query tool with a connection of its own."""
        tool = QueryTool(self, secrets.randbelow(9_000_000) + 1_000_000)
        self.ask("POST", f"/sqleditor/initialize/sqleditor/{tool.id}/1/{self.sid}/{self.did}",
                 json={"user": self.database["user"], "dbname": self.database["dbname"],
                       "recreate": False})
        if server_cursor:
            self.ask("POST", f"/sqleditor/server_cursor/{tool.id}", json=True)
        try:
            yield tool
        finally:
            self.ask("DELETE", f"/sqleditor/close/{tool.id}")


class QueryTool:
    def __init__(self, pgadmin, number):
        self.pgadmin = pgadmin
        self.id = number

    def start(self, sql, explain=None):
        self.pgadmin.ask("POST", f"/sqleditor/query_tool/start/{self.id}",
                         json={"sql": sql, "explain_plan": explain})

    def answer(self):
        """Asks until the query is done, as the page does: what the last poll said."""

        def polled():
            data = self.pgadmin.get(f"/sqleditor/poll/{self.id}")["data"]
            return data["status"] != "Busy" and data

        data = wait_until("the answer to a query", polled, 120)
        assert data["status"] == "Success", data
        return data

    def run(self, sql, explain=None):
        self.start(sql, explain)
        return self.answer()

    def rows(self, sql):
        return self.run(sql)["result"]
