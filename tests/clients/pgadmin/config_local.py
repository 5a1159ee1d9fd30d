# pgAdmin's settings for tests: one user, no password of its own, all files below one folder, and
# nothing asked of the internet. pgAdmin imports this file when its folder is in PYTHONPATH.
import os

SERVER_MODE = False
MASTER_PASSWORD_REQUIRED = False
UPGRADE_CHECK_ENABLED = False
AUTO_DISCOVER_SERVERS = False
DATA_DIR = os.environ["PGADMIN_TEST_FOLDER"]
LOG_FILE = os.path.join(DATA_DIR, "pgadmin.log")
SQLITE_PATH = os.path.join(DATA_DIR, "pgadmin.db")
SESSION_DB_PATH = os.path.join(DATA_DIR, "sessions")
STORAGE_DIR = os.path.join(DATA_DIR, "storage")
TEST_SQLITE_PATH = os.path.join(DATA_DIR, "test.db")
KERBEROS_CCACHE_DIR = os.path.join(DATA_DIR, "kerberos")
AZURE_CREDENTIAL_CACHE_DIR = os.path.join(DATA_DIR, "azure")
