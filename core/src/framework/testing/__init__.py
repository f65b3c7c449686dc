"""The conformance suites that plugin authors subclass (``pip install framework-core[testing]``).

A suite is a class of tests with fixtures to override; what ships with the framework passes the same classes.
"""

import pkgutil

import pytest

# Assertions of the suites are explained as those of any test, which takes that pytest knows the modules beforehand.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
