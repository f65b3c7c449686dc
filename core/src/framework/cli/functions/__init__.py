"""``framework function``: look at functions and their versions."""
