//! The built binary as an operator meets it: its commands, its greeting, how it stops, and what it
//! makes of being killed.

mod answering;
mod commands;
mod crashing;
mod evals;
mod full;
mod killed;
mod okra;
mod portable;
mod reading;
mod saved;
mod stopping;
