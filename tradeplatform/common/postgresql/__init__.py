"""Django's backend for PostgreSQL, with connections that notice when nobody is there any more."""
