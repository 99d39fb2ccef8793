//! Tests of the whole program, as its users call it.

mod support;

mod architecture;

mod asked;
mod away;
mod backend_cargo;
mod backend_helm;
mod backend_ko;
mod backend_others;
mod backend_programs;
mod attested;
mod attesting;
mod bad_configuration;
mod bad_input;
mod backend_spin;
mod base;
mod checkout;
mod clones;
mod discovery;
mod documents;
mod engine_docker;
mod engines;
mod forks;
mod gate;
mod known_wrong;
mod layout;
mod matrix;
mod metadata;
mod no_cluster;
mod pins;
mod plan;
mod plan_cargo;
mod plan_context;
mod plan_dockerfile;
mod plan_partial;
mod plan_schema;
mod plan_workspace;
mod proven;
mod published;
mod registry_copies;
mod registry_faults;
mod registry_kinds;
mod registry_logins;
mod registry_tags;
mod registry_uploads;
mod same_images;
mod sboms;
mod sources;
mod terminal;
mod webhooks;

mod on_cluster;
mod on_forges;
