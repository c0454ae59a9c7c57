"""Code that the scripts under tests/outside share: wheels, directory trees, a server, environments."""
