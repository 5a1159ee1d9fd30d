"""Apache Superset, and what its pages ask its own server by REST.

In: the server that is to be one of its databases, a folder for Superset's state. Out: a running
Superset with one user; answers of its REST interface. Knows nothing of what is right.
"""

import secrets
import subprocess

import requests

import tools
import web
from process import free_port


class Superset(web.Program):
    """A running Superset with one user, logged in."""

    def __init__(self, server, folder):
        self.uri = server.uri
        self.password = secrets.token_hex(12)
        self.bin = tools.bin_folder("superset")
        port = free_port()
        super().__init__(
            [self.bin / "superset", "run", "--host", "127.0.0.1", "--port", port,
             "--with-threads", "--no-reload"],
            f"http://127.0.0.1:{port}/health", folder,
            {"SUPERSET_TEST_FOLDER": str(folder), "SUPERSET_TEST_KEY": secrets.token_hex(32),
             "SUPERSET_CONFIG_PATH": str(tools.CLIENTS / "superset" / "superset_config.py"),
             "SUPERSET_HOME": str(folder), "FLASK_APP": "superset.app:create_app()"})
        self.page = f"http://127.0.0.1:{port}"

    def __enter__(self):
        for arguments in (
            ("db", "upgrade"),
            ("fab", "create-admin", "--username", "admin", "--firstname", "A", "--lastname", "T",
             "--email", "admin@example.com", "--password", self.password),
            ("init",),
        ):
            done = subprocess.run(
                [self.bin / "superset", *arguments], env=self.environment, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True)
            assert done.returncode == 0, done.stdout[-2000:]
        super().__enter__()
        self.http = requests.Session()
        token = self.ask("POST", "security/login", json={
            "username": "admin", "password": self.password, "provider": "db"})["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"
        self.http.headers["X-CSRFToken"] = self.ask("GET", "security/csrf_token/")["result"]
        self.http.headers["Referer"] = self.page
        return self

    def ask(self, method, path, **options):
        """The JSON of an answer that must be a success."""
        answer = self.http.request(method, f"{self.page}/api/v1/{path}", timeout=180, **options)
        assert answer.ok, f"{answer.status_code} {answer.text}"
        return answer.json()

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def execute(self, sql, **options):
        """What SQL Lab shows for a query."""
        return self.ask("POST", "sqllab/execute/", json={
            "database_id": self.database, "sql": sql, "schema": "public", "runAsync": False,
            "client_id": secrets.token_hex(5), "queryLimit": 1000, **options})

    def chart(self, **query):
        """The rows behind a chart over the dataset."""
        query = {"row_limit": 1000, "columns": [], "metrics": [], "filters": [], **query}
        result, = self.ask("POST", "chart/data", json={
            "datasource": {"id": self.dataset, "type": "table"}, "queries": [query],
            "result_format": "json", "result_type": "full", "force": True})["result"]
        assert result["status"] == "success", result
        return result["data"]
