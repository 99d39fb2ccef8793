//! Tests of the whole program, as its users call it.

mod architecture;
mod bad_input;
mod support;
