"""A hundred thousand devices on a thousand nodes, in virtual time: `python -m benchmarks.fleet`.

world       devices in cities, nodes, and the true round trips between them
policies    who says which node a device is to use: ours, and three naive ones
simulation  three minutes of such a world, with a flash crowd and the outage of a region
optimum     the least that any policy could reach, by a linear program that knows everything
"""
