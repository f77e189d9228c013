"""The edge server beside other model servers, around the same handler: `python -m benchmarks.peers`."""
