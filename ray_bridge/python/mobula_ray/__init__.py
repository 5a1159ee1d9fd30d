"""Mobula's tasks on Ray: the driver that the server starts, and the function that runs a task."""
