//! Tests of the whole program, as its users call it.

mod support;

mod architecture;

mod on_cluster;
mod on_forges;
