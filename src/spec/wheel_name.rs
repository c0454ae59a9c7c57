//! wheel_name
