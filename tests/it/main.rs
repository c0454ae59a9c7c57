//! The integration tests: one binary, one module per subject.
//!
//! [`support`] makes the wheels, environments, servers and faults that the tests use; its head
//! lists them. [`source_text`] and [`source_uses`] read this crate's own sources for [`tidy`].

#![allow(
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    reason = "a test says what is wrong by panicking"
)]

mod addresses;
mod ambiguous_archives;
mod archive_refusals;
mod bill_of_materials;
mod bytecode;
mod cache_command;
mod caches;
mod completion;
mod conflicts;
mod conflicts_on_disk;
mod content_refusals;
mod crash;
mod credentials;
mod dependencies;
mod described_locks;
mod described_pythons;
mod determinism;
mod direct_references;
mod directory_links;
mod download_failures;
mod downloads;
mod dry_looks;
mod entry_refusals;
mod environment_shapes;
mod exact;
mod fetched_documents;
mod first_screen;
mod foreign_caches;
mod foreign_metadata;
mod foreign_owners;
mod fuzzing;
mod history;
mod index_install;
mod index_strategy;
mod inheritance;
mod installer;
mod interpreter_answers;
mod io_errors;
mod kept_undo;
mod left_behind;
mod library;
mod limits;
mod lock_file_choices;
mod locking;
mod looking;
mod lower_layer;
mod message_forms;
mod metadata_refusals;
mod moved;
mod new_target;
mod nothing_to_do;
mod odd_answers;
mod odd_interpreters;
mod old_journals;
mod option_variables;
mod other_installers;
mod other_tools;
mod output;
mod packaging;
mod packing;
mod packing_again;
mod packing_downloads;
mod packing_images;
mod packing_streams;
mod panics;
mod partial_files;
mod peeking;
mod planted;
mod planted_cache;
mod portable_names;
mod power_cut;
mod progress;
mod progress_terminal;
mod protocol_order;
mod proxies;
mod python_package;
mod reading;
mod reading_commands;
mod record_levels;
mod removing;
mod reordered_cuts;
mod replacing;
mod reproducible;
mod resolved;
mod resolved_cli;
mod resources;
mod saved_resolutions;
mod script_interpreters;
mod script_rules;
mod side_by_side;
mod signals;
mod silent_servers;
mod source_text;
mod source_uses;
mod special_files;
mod spread_rules;
mod store;
mod store_upkeep;
mod support;
mod swapped;
mod tags;
mod testdata;
mod tidy;
mod together;
mod troubleshooting;
mod words;
