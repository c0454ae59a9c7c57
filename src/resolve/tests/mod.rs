//! Resolutions over values in memory.

mod explanations;
mod judge;
mod packse;
mod preferences;
mod random;
mod scale;
mod scenario;
