//! entry_points
