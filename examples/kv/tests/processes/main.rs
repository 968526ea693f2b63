//! The programs of this package, and those that C makes of the same `.x`, as processes.

mod by_hand;
mod demo;
mod exhausted;
mod interop_c;
mod process;
