"""Show the values of failed assertions in the modules that are no tests themselves."""

import pytest

pytest.register_assert_rewrite("tests.simulation.auditor", "tests.simulation.workload")
