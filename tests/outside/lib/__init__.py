"""Code that the outside tests share: wheels, directory trees, a server, environments."""
