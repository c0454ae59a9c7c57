"""The version of the distribution. A test compares it with Cargo.toml."""

__version__ = "0.1.0"
