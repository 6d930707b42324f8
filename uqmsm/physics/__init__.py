"""What nature does: plain arrays in and out; no probability, no Dask."""
