"""The tests: `make test` runs all of them, `make test-python` or pytest with a file some.

What keeps them quick:

- One PostgreSQL and one Valkey for a run, which trust the machine not to lose power (`servers`).
- A world that many tests only look at is made once for a module (`worlds`); most tests make the little that
  they need (`factories`). Both are undone by a rollback.
- A test commits only where it must, having several connections, threads or processes. Afterwards what it
  filled is emptied (`emptying`).
- Passwords of people are hashed at the least cost (`hashing`).
- The live tests share one platform (`running`); `make test` runs them beside the others, as they mostly wait.
"""
