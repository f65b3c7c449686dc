"""What travels with a run to a Dask worker: standard library only, but for the library that it is for."""
