# Superset's settings for tests: all state in one folder, nothing scheduled, no background workers.
import os

FOLDER = os.environ["SUPERSET_TEST_FOLDER"]
SECRET_KEY = os.environ["SUPERSET_TEST_KEY"]
SQLALCHEMY_DATABASE_URI = f"sqlite:///{FOLDER}/superset.db"
TALISMAN_ENABLED = False
RATELIMIT_ENABLED = False
FAB_ADD_SECURITY_API = True
SQLLAB_TIMEOUT = 120
FEATURE_FLAGS = {"ENABLE_TEMPLATE_PROCESSING": True}
