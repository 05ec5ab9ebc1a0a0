"""The top floor: settings, urls, the two server entry points, Celery and the process supervisor."""
