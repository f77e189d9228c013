"""From a service's folder to images that container engines run, without an engine and without running what is in them.

requirements   which Python packages the service needs
dependencies   their versions, and their files for another platform (uv)
base           the image below, from a registry
packages       the layer of packages
bytecode       of their modules, for the image's version of Python
known          layers that were made before
container      the other layers, and how the container runs
pushing        to a registry, what that has not
building       all of it, for each platform
"""
