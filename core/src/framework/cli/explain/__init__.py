"""``framework why``, ``diff`` and ``replay``: explain runs and versions, and repeat them."""
