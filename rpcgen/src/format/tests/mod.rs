//! What the formatter must do with all files, and what it makes of some.

mod examples;
mod generator;
mod properties;
mod style;
