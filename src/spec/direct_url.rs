//! direct_url
