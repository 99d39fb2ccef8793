//! Tests of the whole program, as its users call it.

mod architecture;
mod support;
